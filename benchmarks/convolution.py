"""3x3 convolutions with bias and ReLU, layer by layer, against PyTorch: forward, forward + backward, and the error.

pip install -e '.[bench]'
python -m benchmarks.convolution [--rounds 9]
"""

import argparse
from collections.abc import Callable

import numpy as np

from benchmarks.measure import Work, alternate, clean_environment, machine
from pellucid import ops
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


def images(count: int, channels: int = 1, size: int = 28) -> Array:
    rows = np.random.default_rng(0).standard_normal((count, size, size, channels), dtype=np.float32)
    return rows.transpose(0, 3, 1, 2)


def our_convolution(x: Array, w: Array, b: Array, dy: Array | None) -> Work:
    dw, db, geometry = np.empty_like(w), np.empty_like(b), Geometry(padding=sides(1))

    def run() -> Array:
        y = ops.conv2d_relu(x, w, b, geometry)
        return y if dy is None else ops.conv2d_relu_backward(dy, y, x, w, dw, db, geometry)

    return run


def torch_convolution(x: Array, w: Array, b: Array, dy: Array | None, *, channels_last: bool) -> Callable[[], object]:
    """3x3 convolution, padding 1, bias, ReLU: forward, or with `dy` forward and backward of x, w and b."""
    import torch

    format_ = torch.channels_last if channels_last else torch.contiguous_format
    tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in (x, w, b)]
    tx, tw = (t.to(memory_format=format_) for t in tensors[:2])
    tb = tensors[2]
    conv2d = torch.nn.functional.conv2d
    if dy is None:

        def forward() -> object:
            with torch.inference_mode():
                return torch.relu_(conv2d(tx, tw, tb, padding=1))

        return forward

    leaves = [t.requires_grad_() for t in (tx, tw, tb)]
    gradient = torch.from_numpy(np.ascontiguousarray(dy)).to(memory_format=format_)

    def both() -> object:
        y = torch.relu_(conv2d(*leaves, padding=1))
        return torch.autograd.grad(y, leaves, gradient)

    return both


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
            sides[f"torch {last}"] = torch_convolution(x, w, b, gradient, channels_last=last)
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
