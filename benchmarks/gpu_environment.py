"""What a machine with a card has: card, driver, packages, and whether each library that is used can be loaded."""

import platform
import subprocess
import time
from importlib import metadata
from typing import Any

OF_NVIDIA = ("cuda-bindings", "cuda-pathfinder", "nvidia-cudnn-cu13", "nvidia-cudnn-frontend", "nvidia-cublas")
OTHERS = ("numpy", "numba", "numba-cuda", "nvidia-nvvm", "torch", "torchvision", "ml-dtypes")
TESTERS = ("pytest", "pytest-xdist", "hypothesis")


def version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"


def attempt(what: str, call: Any) -> bool:
    """Print what a call gives, or how it fails; whether it did not."""
    began, worked = time.perf_counter(), True
    try:
        found = call()
    except Exception as error:
        found, worked = f"{type(error).__name__}: {error}", False
    print(f"{what}: {found} ({time.perf_counter() - began:.2f} s)", flush=True)
    return worked


def card() -> str:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,memory.used", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    print("python", platform.python_version(), "on", platform.release())
    attempt("nvidia-smi", card)
    print(", ".join(f"{name} {version(name)}" for name in OF_NVIDIA + OTHERS + TESTERS))

    import numpy as np

    from pellucid import ops
    from pellucid.ops.cuda_ops import blas, cudnn
    from pellucid.ops.cuda_ops.device import device

    if not attempt("backend", lambda: ops.set_backend("cuda")):
        return
    attempt("card", lambda: (device().name, device().capability, device().memory()))
    x = np.arange(-3, 3, dtype=np.float32)
    attempt("a kernel", lambda: ops.host(ops.relu(ops.array(x))))
    attempt("cuBLAS", lambda: blas.available(np.dtype(np.float32)))
    square = x[:4].reshape(2, 2)
    attempt("a product", lambda: ops.host(ops.linear(ops.array(square), ops.array(square))).tolist())
    attempt("cuDNN", lambda: cudnn.available(np.dtype(np.float32)))
    images, w = np.ones((1, 8, 3, 3), np.float32), np.ones((8, 8, 3, 3), np.float32)
    attempt("a convolution", lambda: ops.host(ops.conv2d(ops.array(images), ops.array(w))).ravel().tolist())


if __name__ == "__main__":
    main()
