"""One dense pass against classifying each patch; and segmentation of a 512x512 image against PyTorch.

pip install -e '.[bench]'
python -m benchmarks.segmentation [--quick]
"""

import argparse

import numpy as np

from benchmarks.measure import Work, alternate, clean_environment, machine, report
from benchmarks.torch_twin import torch_twin
from pellucid import ops
from pellucid.graph import Sequential, grid
from pellucid.layers import Conv2d, Flatten, Layer, Linear, MaxPool2d, ReLU
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.zoo import convolutionalize, create

SIDE = 512
PATCH = 30  # at which no pool drops a row
BATCH = 256  # patches that go through the classifier at once


def unpadded(pools: int) -> Layer:
    """A classifier of 30x30 images without padding, so that patches have no border; two pools: stride 4."""
    layers: list[Layer] = []
    for width in (16, 32, 64)[:pools]:
        layers += [Conv2d(width, 3), ReLU(), MaxPool2d(2)]
    return Sequential(*layers, Flatten(), Linear(50), ReLU(), Linear(10))


def image() -> Array:
    rows = np.random.default_rng(0).random((1, SIDE, SIDE, 1), dtype=np.float32)
    return rows.transpose(0, 3, 1, 2)


def by_patches(network: Network, x: Array, stride: int) -> Array:
    """The classifier on every patch: (10, P, Q). Patches are views; each batch is copied as it is needed."""
    windows = np.lib.stride_tricks.sliding_window_view(x[0, 0], (PATCH, PATCH))[::stride, ::stride]
    P, Q = windows.shape[:2]
    flat = windows.reshape(P * Q, 1, PATCH, PATCH)
    logits = [network.forward(flat[start : start + BATCH]) for start in range(0, P * Q, BATCH)]
    return np.concatenate(logits).reshape(P, Q, -1).transpose(2, 0, 1)


def compare_dense(rounds: int) -> None:
    """Both ways give the same logits; that is checked before anything is timed."""
    x = image()
    for pools in (3, 2):
        classifier = Network(unpadded(pools), (1, PATCH, PATCH))
        dense = convolutionalize(classifier)
        stride = int(grid(dense.nodes)[0].step)
        slow, fast = by_patches(classifier, x, stride), dense.forward(x)[0]
        np.testing.assert_allclose(fast, slow, rtol=2e-3, atol=2e-4)
        sides: dict[str, Work] = {
            "pellucid": lambda dense=dense: dense.forward(x),  # type: ignore[misc]
            f"each patch, {BATCH} at once": lambda c=classifier, s=stride: by_patches(c, x, s),  # type: ignore[misc]
        }
        places = fast.shape[1] * fast.shape[2]
        title = f"{SIDE}x{SIDE} image, {places:,} places of stride {stride}: one dense pass"
        report(title, alternate(sides, rounds=rounds), "places/s", places)


def torch_inference(network: Network, x: Array, *, channels_last: bool, compiled: bool) -> Work:
    import torch

    format_ = torch.channels_last if channels_last else torch.contiguous_format
    module = torch_twin(network).to(memory_format=format_).eval()
    given = torch.from_numpy(np.ascontiguousarray(x)).to(memory_format=format_)
    run = torch.compile(module) if compiled else module

    def forward() -> object:
        with torch.inference_mode():
            return run(given)

    np.testing.assert_allclose(forward().numpy(), network.forward(x), rtol=1e-2, atol=1e-3)  # type: ignore[attr-defined]
    return forward


def compare_segmentation(rounds: int, compiled: bool) -> None:
    x = image()
    for name in ("fcn-small", "fcn8"):
        network = Network(create(name, 11), (1, SIDE, SIDE))
        sides: dict[str, Work] = {"pellucid": lambda network=network: network.forward(x)}  # type: ignore[misc]
        for last in (False, True):
            for how in (False, True) if compiled else (False,):
                mode = f"PyTorch {'compiled' if how else 'eager'}, {'channels last' if last else 'NCHW'}"
                sides[mode] = torch_inference(network, x, channels_last=last, compiled=how)
        report(f"{name}, one {SIDE}x{SIDE} image, inference", alternate(sides, rounds=rounds), "images/s", 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, PyTorch not compiled")
    quick = parser.parse_args().quick
    clean_environment()
    import torch

    torch.set_num_threads(ops.threads())
    print(machine(), f"{torch.get_num_threads()} PyTorch threads, backend {ops.backend()}", sep="\n")
    rounds = 3 if quick else 11
    compare_dense(rounds)
    compare_segmentation(rounds, compiled=not quick)


if __name__ == "__main__":
    main()
