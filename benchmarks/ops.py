"""Each op by NumPy and by Numba, at the sizes of DeepConvNet with 128 images: `python -m benchmarks.ops`."""

import argparse
from functools import partial
from typing import Any

import numpy as np

from benchmarks.measure import Timing, alternate, machine
from pellucid.ops import numba_ops, numpy_ops
from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry, sides

N = 128
PARAMETERS = 123_552

Calls = dict[str, tuple[Any, ...]]


def images(rng: np.random.Generator, channels: int, size: int, count: int = N) -> Array:
    """Images stored channels last."""
    rows: Array = rng.standard_normal((count, size, size, channels), dtype=np.float32)
    return rows.transpose(0, 3, 1, 2)


def calls(rng: np.random.Generator) -> Calls:
    """Arguments of each op; what follows a name after a blank says which case it is."""
    x, y, halved = images(rng, 16, 28), images(rng, 16, 28), Geometry(stride=(2, 2))
    pooled, winner = numpy_ops.max_pool2d(x, (2, 2), halved)
    a, b = rng.standard_normal((2, 16), dtype=np.float32)
    w, g, m, v = np.abs(rng.standard_normal((4, PARAMETERS), dtype=np.float32))
    features, weights = images(rng, 64, 4).reshape(N, -1), rng.standard_normal((50, 1024), dtype=np.float32)
    segmentation = images(rng, 21, 64, 4)
    return {
        "relu": (x,),
        "relu_backward": (y, x),
        "leaky_relu": (x, 0.1),
        "sigmoid": (x,),
        "tanh": (x,),
        "silu": (x,),
        "silu_backward": (y, x),
        "dropout": (x, x > 0, 0.5),
        "channel_sum": (x,),
        "channel_dot": (x, y),
        "channel_affine": (x, a, b),
        "channel_combination": (x, a, y, b, a),
        "max_pool2d": (x, (2, 2), halved),
        "max_pool2d_backward": (pooled, winner, (28, 28), (2, 2), halved),
        "avg_pool2d": (x, (2, 2), halved),
        "avg_pool2d_backward": (pooled, (28, 28), (2, 2), halved),
        "global_avg_pool2d": (x,),
        "linear_relu": (features, weights, weights[:, 0].copy()),
        "softmax_cross_entropy": (features[:, :10].copy(), rng.integers(0, 10, N)),
        "softmax_cross_entropy 21x64x64": (segmentation, rng.integers(0, 21, (4, 64, 64))),
        "squared_norm": (g,),
        "momentum_update": (w, g, m, 1e-9, 0.9),
        "adam_update": (w, g, m, v, 10, 1e-9, 0.9, 0.999, 1e-8),
        "average_update": (w, g, 0.999),
        **convolutions(rng),
    }


def convolutions(rng: np.random.Generator) -> Calls:
    """Forward and both gradients of convolutions of different kinds."""
    found: Calls = {}
    for name, C, K, size, kernel, stride, groups in (
        ("3x3", 16, 16, 28, 3, 1, 1),
        ("1x1", 64, 64, 28, 1, 1, 1),
        ("5x5", 32, 32, 28, 5, 1, 1),
        ("3x3 stride 2", 64, 64, 28, 3, 2, 1),
        ("3x3 depthwise", 64, 64, 28, 3, 1, 64),
    ):
        x, w = images(rng, C, size, 16), rng.standard_normal((K, C // groups, kernel, kernel), dtype=np.float32)
        geometry = Geometry((stride, stride), sides(kernel // 2), groups=groups)
        dy = numpy_ops.conv2d(x, w, None, geometry)
        found[f"conv2d {name}"] = (x, w, None, geometry)
        found[f"conv2d_input_gradient {name}"] = (dy, w, (size, size), geometry)
        found[f"conv2d_weight_gradient {name}"] = (dy, x, (kernel, kernel), geometry)
    return found


def main() -> None:
    """Print a line for each op: both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ops", nargs="*", help="only ops whose names contain one of these")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(machine())
    print(f"{'op':36}{'numpy':>26}{'numba':>26}{'ratio':>8}")
    for name, arguments in calls(np.random.default_rng(0)).items():
        if options.ops and not any(part in name for part in options.ops):
            continue
        op = name.split()[0]
        times: dict[str, Timing] = alternate(
            {
                "numpy": partial(getattr(numpy_ops, op), *arguments),
                "numba": partial(getattr(numba_ops, op), *arguments),
            },
            rounds=options.rounds,
            seconds=0.02,
        )
        ratio = times["numpy"].median / times["numba"].median
        print(f"{name:36}{times['numpy']!s:>26}{times['numba']!s:>26}{ratio:8.1f}", flush=True)


if __name__ == "__main__":
    main()
