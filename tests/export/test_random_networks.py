"""Small networks drawn at random: C here under sanitizers, and on emulated cores, against Python's integers.

Windows of one row or column, strides larger than the window, dilation, groups of any size, odd numbers of channels
and of codes, channels in another order, images smaller than a window with its frame.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.test_microcontroller import needs_helium, needs_tools
from pellucid.errors import PellucidError
from pellucid.export import export_c
from pellucid.graph import Residual, Sequential
from pellucid.graph.containers import Branches
from pellucid.layers import (
    AvgPool2d,
    ChannelOrder,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    GlobalAvgPool2d,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    Tanh,
)
from pellucid.layers.joins import Concat
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import IntegerNetwork
from pellucid.precision import quantize

CHECKED = "cc -std=c99 -Wall -Wextra -Werror -pedantic -Wconversion -Wshadow -O1 -fsanitize=address,undefined"
IMAGES = 5


class Draw:
    """Numbers of a seed. one, pair: of those named. side: 1 .. most. chance: whether, in that share of cases."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one(self, *values: int) -> int:
        return int(self.rng.choice(values))

    def side(self, most: int) -> int:
        return int(self.rng.integers(1, most + 1))

    def pair(self, *values: int) -> tuple[int, int]:
        return self.one(*values), self.one(*values)

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


def convolution(draw: Draw, channels: int) -> Conv2d:
    kernel = [(1, draw.side(5)), (draw.side(5), 1), draw.pair(1, 2, 3, 4), (3, 3)][draw.one(0, 1, 2, 3)]
    groups = 1
    if draw.chance(0.4):
        groups = draw.one(*(n for n in range(1, channels + 1) if channels % n == 0))
    return Conv2d(
        groups * draw.side(3) if groups > 1 else draw.side(20),
        kernel,
        stride=draw.pair(1, 1, 2, 3, 5),
        padding=draw.pair(0, 1, 2),
        dilation=draw.pair(1, 1, 2, 3),
        groups=groups,
    )


def layer(draw: Draw, channels: int) -> tuple[list[Layer], int]:
    """A layer or two of any kind, and channels that they give."""
    kind = draw.one(*range(10))
    if kind == 0:
        return [MaxPool2d(draw.pair(1, 2, 3), stride=draw.side(3))], channels
    if kind == 1:
        return [AvgPool2d(draw.side(3), stride=draw.side(3), ceil=draw.chance(0.5))], channels
    if kind == 2:
        return [Residual(Conv2d(channels, 3, padding=1, groups=draw.one(1, channels)))], channels
    if kind == 3:
        first, second = draw.side(4), draw.side(4)
        both = Branches(Conv2d(first, 1), Conv2d(second, 3, padding=1), join=Concat())
        return [both], first + second
    if kind == 4:
        filters = draw.side(5)
        return [ConvTranspose2d(filters, draw.side(3), stride=draw.side(3))], filters
    if kind == 5:
        return [Conv2d(channels, 3, padding=1, stride=draw.one(1, 2, 4), groups=channels)], channels
    if kind == 6:
        order = draw.rng.integers(0, channels, draw.side(2 * channels)).tolist()
        return [ChannelOrder(*order)], len(order)
    found = convolution(draw, channels)
    layers: list[Layer] = [found]
    if draw.chance(0.7):
        layers.append(ReLU() if draw.chance(0.5) else Tanh())
    if draw.chance(0.4):
        layers.append(MaxPool2d(draw.one(2, 3)))
    return layers, found.channels


def drawn(seed: int) -> tuple[IntegerNetwork, Array]:
    """A network with weights of 8, 4 or 2 bits, and bytes (N, C, H, W); what doesn't fit its image is drawn again."""
    draw = Draw(seed)
    while True:
        channels = draw.one(1, 2, 3, 4, 5, 7, 8, 16, 17)
        shape = channels, draw.side(17), draw.side(17)
        layers: list[Layer] = []
        for _ in range(draw.side(4)):
            more, channels = layer(draw, channels)
            layers += more
        ends: list[list[Layer]] = [
            [GlobalAvgPool2d(), Linear(draw.side(11))],
            [Flatten(), Linear(draw.side(30)), ReLU(), Linear(draw.side(11))],
            [convolution(draw, channels)],
        ]
        x = draw.rng.uniform(0, 1, (8, *shape)).astype(np.float32)
        try:
            network = quantize(Network(Sequential(*layers, *ends[draw.one(0, 1, 2)]), shape), x, draw.one(8, 4, 2))
        except PellucidError:
            continue
        q = draw.rng.integers(0, 256, (IMAGES, *shape)).astype(np.uint8)
        q[0], q[1] = 0, 255
        return network, q


def exported(network: IntegerNetwork, folder: Path, core: str | None, *, rows: bool) -> None:
    """Row by row where its first layer can."""
    try:
        export_c(network, folder, [], core, rows=rows)
    except PellucidError as error:
        if "line by line" not in str(error):
            raise
        export_c(network, folder, [], core)


def assert_same(network: IntegerNetwork, q: Array, folder: Path, command: str) -> None:
    (folder / "images.bin").write_bytes(q.transpose(0, 2, 3, 1).tobytes())
    ran = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    expected = network.integer_logits(q)
    places_last = expected.transpose(0, 2, 3, 1) if expected.ndim == 4 else expected
    found = np.fromfile(folder / "logits.bin", "<i4")
    np.testing.assert_array_equal(found.reshape(IMAGES, -1), places_last.reshape(IMAGES, -1))


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize("seed", range(16))
def test_here(seed: int, tmp_path: Path) -> None:
    network, q = drawn(seed)
    exported(network, tmp_path, None, rows=seed % 4 == 3)
    shutil.copy(Path(__file__).with_name("any_network.c"), tmp_path)
    assert_same(network, q, tmp_path, f"{CHECKED} -DNETWORK_SMALL={seed % 2} any_network.c network.c && ./a.out")


@needs_tools
@pytest.mark.parametrize("core", ["cortex-m4", pytest.param("cortex-m55", marks=needs_helium)])
@pytest.mark.parametrize("seed", range(100, 108))
def test_on_emulated_cores(core: str, seed: int, tmp_path: Path) -> None:
    """Where products are of two, and of sixteen with a rest."""
    network, q = drawn(seed)
    exported(network, tmp_path, core, rows=seed % 4 == 3)
    assert_same(network, q, tmp_path, "make -s bench")
