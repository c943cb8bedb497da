"""Times of ops on the card, each recorded many times over and replayed, so that starting kernels costs nothing.

gpu_ops FILE.json
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops import blas
from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.recorder import Recorded
from pellucid.ops.cuda_ops.tiles import tiled_conv2d
from pellucid.ops.formats import float_type
from pellucid.ops.geometry import Geometry

TIMES, REPLAYS = 20, 5  # of one op in a recording; of a recording, of which the median counts
SAME = Geometry(padding=(1, 1, 1, 1))

CONVOLUTIONS = {  # images, channels in, channels out, side, kernel, geometry
    "16-16 28x28": (128, 16, 16, 28, 3, SAME),
    "64-64 56x56": (64, 64, 64, 56, 3, SAME),
    "256-256 14x14": (64, 256, 256, 14, 3, SAME),
    "64-256 1x1 56x56": (64, 64, 256, 56, 1, Geometry()),
    "depthwise 128 56x56": (64, 128, 128, 56, 3, Geometry(padding=(1, 1, 1, 1), groups=128)),
}


def microseconds(op: Callable[[], Any]) -> float:
    """Median time of an op within a recording."""

    def many() -> None:
        for _ in range(TIMES):
            op()

    recorded, found = Recorded(many, warm_ups=1), []
    recorded()
    for _ in range(REPLAYS + 1):
        device().synchronize()
        began = time.perf_counter()
        recorded()
        device().synchronize()
        found.append((time.perf_counter() - began) / TIMES * 1e6)
    return float(np.median(found[1:]))


def eager_microseconds(op: Callable[[], Any]) -> float:
    """Time of an op that Python starts each time."""
    for _ in range(3):
        op()
    device().synchronize()
    began = time.perf_counter()
    for _ in range(100):
        op()
    device().synchronize()
    return (time.perf_counter() - began) / 100 * 1e6


class Report:
    """Rows as they come, printed and kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def time(self, name: str, op: Callable[[], Any], flops: float = 0, moved: float = 0, eager: bool = False) -> None:
        """One row; an op that fails is a row too."""
        row: dict[str, Any] = {"op": name}
        try:
            row["us"] = round(microseconds(op), 2)
            row["TFLOP/s"] = round(flops / row["us"] / 1e6, 2)
            row["TB/s"] = round(moved / row["us"] / 1e6, 3)
            if eager:
                row["eager us"] = round(eager_microseconds(op), 2)
        except Exception as error:  # the others go on
            row["error"] = f"{type(error).__name__}: {error}"[:300]
        self.rows.append(row)
        print(row)
        self.path.write_text(json.dumps({"device": device().name, "rows": self.rows}, indent=1))


def images(shape: tuple[int, ...], kind: Any) -> Array:
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    return ops.channels_last(ops.array(ops.array(x).astype(kind)))


def convolutions(report: Report, kind: Any, note: str) -> None:
    for name, (N, C, K, side, R, geometry) in CONVOLUTIONS.items():
        x, w = images((N, C, side, side), kind), images((K, C // geometry.groups, R, R), kind)
        w = ops.array(np.ascontiguousarray(ops.host(w)))
        b, y = images((K, 1, 1, 1), kind).reshape(-1), ops.conv2d(x, w, None, geometry)
        dw = ops.empty(w.shape, w.dtype)
        flops = 2.0 * N * side * side * K * (C // geometry.groups) * R * R
        label = f"{note} {name}"
        report.time(f"{label} forward", lambda: ops.conv2d(x, w, None, geometry), flops)  # noqa: B023
        report.time(f"{label} bias relu", lambda: ops.conv2d_relu(x, w, b, geometry), flops, eager=True)  # noqa: B023
        size = (side, side)
        report.time(f"{label} dx", lambda: ops.conv2d_input_gradient(y, w, size, geometry), flops)  # noqa: B023
        kernel = (R, R)
        report.time(
            f"{label} dw",
            lambda: ops.conv2d_weight_gradient(y, x, kernel, geometry, out=dw),  # noqa: B023
            flops,
        )


def main(path: str) -> None:
    ops.set_backend("cuda")
    report = Report(Path(path))
    x = images((64, 64, 56, 56), np.float32)
    dy, y = x.copy(), ops.relu(x)
    report.time("copy 51 MB", x.copy, moved=2 * x.nbytes)
    report.time("relu", lambda: ops.relu(x), moved=2 * x.nbytes, eager=True)
    report.time("relu backward", lambda: ops.relu_backward(dy, y), moved=3 * x.nbytes)
    report.time("channel sum", lambda: ops.channel_sum(x), moved=x.nbytes)
    rng = np.random.default_rng(1)
    gamma, beta, mean, variance, dgamma, dbeta = (ops.array(rng.random(64, np.float32)) for _ in range(6))
    norm: tuple[Any, ...] = (x, gamma, beta, mean, variance, 0.1, 1e-5)
    report.time("batch norm", lambda: ops.batch_norm(*norm), moved=4 * x.nbytes)
    back: tuple[Any, ...] = (dy, x, gamma, mean, variance, dgamma, dbeta, 1.0)
    report.time("batch norm backward", lambda: ops.batch_norm_backward(*back), moved=5 * x.nbytes)
    pooled = Geometry(stride=(2, 2))
    report.time("max pool", lambda: ops.max_pool2d(x, (2, 2), pooled), moved=1.25 * x.nbytes)
    w, g, m, v = (ops.zeros((25_000_000,), np.float32) for _ in range(4))
    report.time("adam 25 M", lambda: ops.adam_update(w, g, m, v, 1, 1e-3, 0.9, 0.999, 1e-8), moved=7 * w.nbytes)
    for kind in ("float32", "bfloat16"):
        a, c = images((4096, 4096, 1, 1), float_type(kind)), images((4096, 4096, 1, 1), float_type(kind))
        a, c = a.reshape(4096, 4096), c.reshape(4096, 4096)
        report.time(f"{kind} product 4096", lambda: ops.linear(a, c), 2 * 4096.0**3)  # noqa: B023
    convolutions(report, np.float32, "float32")
    convolutions(report, float_type("bfloat16"), "bfloat16")
    x = images((128, 16, 28, 28), np.float32)
    w = ops.array(np.ascontiguousarray(ops.host(images((16, 16, 3, 3), np.float32))))
    report.time("own tiles 16-16 28x28", lambda: tiled_conv2d(x, w, None, SAME), 2.0 * 128 * 784 * 16 * 16 * 9)  # type: ignore[arg-type]
    blas.tensor_float32 = True
    convolutions(report, np.float32, "tf32")


if __name__ == "__main__":
    main(sys.argv[1])
