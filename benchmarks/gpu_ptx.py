"""Compile every kernel of the GPU backend into a folder, for machines that can't: gpu_ptx FOLDER [CAPABILITY ...].

The folder serves as PELLUCID_PTX there. A capability is written 9.0; by default that of the H100 and H200.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor

DEFAULT = ["9.0"]


def compile_kernel(number: int, capability: tuple[int, int]) -> int:
    from pellucid.ops import cuda_ops  # noqa: F401
    from pellucid.ops.cuda_ops.jit import KERNELS
    from pellucid.ops.cuda_ops.ptx import ptx

    usual = KERNELS[number].usual()
    for compiled in usual:
        ptx(compiled, capability)
    return len(usual)


def main(folder: str, *capabilities: str) -> None:
    os.environ["PELLUCID_PTX"] = folder
    from pellucid.ops import cuda_ops  # noqa: F401
    from pellucid.ops.cuda_ops.jit import KERNELS

    with ProcessPoolExecutor(os.cpu_count()) as workers:
        for text in capabilities or DEFAULT:
            major, minor = (int(part) for part in text.split("."))
            jobs = [workers.submit(compile_kernel, number, (major, minor)) for number in range(len(KERNELS))]
            print(f"{text}: {sum(job.result() for job in jobs)} kernels in {folder}")


if __name__ == "__main__":
    main(*sys.argv[1:])
