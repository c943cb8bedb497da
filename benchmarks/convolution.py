"""3x3 convolutions with bias and ReLU, layer by layer, against PyTorch: forward, forward + backward, and the error.

pip install -e '.[bench]'
python -m benchmarks.convolution [--rounds 9]
"""

import argparse

import numpy as np

from benchmarks import torch_side
from benchmarks.cpu import images, our_convolution
from benchmarks.measure import alternate, clean_environment, machine
from pellucid.ops import numpy_ops
from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry, sides

# Batch, input channels, filters, side: DeepConvNet's layers at batch 128, then larger ones.
SHAPES = (
    (128, 1, 16, 28),
    (128, 16, 16, 28),
    (128, 16, 32, 14),
    (128, 32, 32, 16),
    (128, 32, 64, 8),
    (128, 64, 64, 8),
    (1, 64, 64, 224),
    (8, 128, 128, 28),
)


def error(x: Array, w: Array, b: Array) -> float:
    """Largest difference from float64, relative to the largest output; of the first image, for its memory."""
    some = x[:1, :, :64, :64]
    wide, weights, bias = (a.astype(np.float64) for a in (some, w, b))
    exact = numpy_ops.conv2d_relu(wide, weights, bias, Geometry(padding=sides(1)))
    ours = our_convolution(some, w, b, None)()
    return float(np.abs(np.asarray(ours) - exact).max() / np.abs(exact).max())


def compare(batch: int, channels: int, filters: int, side: int, rounds: int) -> str:
    """One line of the table."""
    rng = np.random.default_rng(0)
    x, dy = images(batch, channels, side), images(batch, filters, side)
    w = rng.standard_normal((filters, channels, 3, 3), dtype=np.float32) / np.float32(3 * channels**0.5)
    b = rng.standard_normal(filters, dtype=np.float32)
    line = f"{channels:>4} -> {filters:<4} {side:>3} x {side:<3} N={batch:<4}"
    for gradient in (None, dy):
        sides = {"pellucid": our_convolution(x, w, b, gradient)}
        for last in (False, True):
            sides[f"torch {last}"] = torch_side.convolution(x, w, b, gradient, channels_last=last)
        times = {name: 1e3 * timing.median for name, timing in alternate(sides, rounds=rounds).items()}
        ours, theirs = times.pop("pellucid"), min(times.values())
        line += f"   {ours:7.2f} {theirs:7.2f} {theirs / ours:5.2f}"
    return f"{line}   {error(x, w, b):.1e}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    clean_environment()
    print(machine())
    print("\nms: ours, PyTorch's best, ratio. The backward of one input channel includes the gradient of the images.")
    print(f"{'':30}   {'forward':^21}   {'forward + backward':^21}   error")
    for shape in SHAPES:
        print(compare(*shape, rounds), flush=True)


if __name__ == "__main__":
    main()
