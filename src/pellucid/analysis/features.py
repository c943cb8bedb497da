"""What a network's layers answer to: feature maps of an image, and the patches that excite a channel most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pellucid.analysis.receptive_field import find_view
from pellucid.errors import PellucidError
from pellucid.layers import INFERENCE, Conv2d, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array


@dataclass(frozen=True)
class FeatureMap:
    """What one layer makes of one image: (C, H, W) or (F,)."""

    layer: str
    kind: str
    settings: str
    values: Array


@dataclass(frozen=True)
class Patch:
    """A place of an image that excites a channel. image: its number. value: of the convolution there, before what
    follows. rows, columns: first and last that the unit sees; they may lie beyond the image's border, in the padding.
    """

    image: int
    value: float
    rows: tuple[int, int]
    columns: tuple[int, int]


def feature_maps(network: Network, image: Array) -> list[FeatureMap]:
    """Every layer's output for an image (C, H, W) in the network's float type, in the order in which they run.

    Containers are left out: what they give out is their last layer's.
    """
    maps: list[FeatureMap] = []

    def watch(layer: Layer, y: Array) -> None:
        if layer.name in network.nodes.by_name:
            maps.append(FeatureMap(layer.name, layer.kind, layer.describe(), y[0].copy()))

    network.forward(image[None], INFERENCE.watched_by(watch))
    return maps


def first_filters(network: Network) -> tuple[str, Array]:
    """Name and filters (K, C, R, S) of the first convolution. Raises PellucidError where there is none."""
    name, convolution = next(_convolutions(network), ("", None))
    if convolution is None:
        raise PellucidError("features: expected a network with a convolution, got none")
    return name, convolution.built_weight.value


def exciting_patches(
    network: Network, batches: Iterable[Array], channels: Sequence[int] | None = None, count: int = 8
) -> dict[str, dict[int, list[Patch]]]:
    """For each convolution, and chosen channels of it, the places that excite them most, at most one an image.

    batches: of images (N, C, H, W), numbered through. channels: those to look for, in each convolution that has them;
    by default the first `count`. The strongest of at most `count` places comes first. Raises PellucidError for a
    channel that no convolution has.
    """
    most = max((layer.built_weight.value.shape[0] for _, layer in _convolutions(network)), default=0)
    for channel in channels or ():
        if not 0 <= channel < most:
            raise PellucidError(f"channel {channel}: the network's convolutions have channels 0 .. {most - 1}")
    best = {name: _Best(count) for name, _ in _convolutions(network)}

    def watch(layer: Layer, y: Array) -> None:
        if layer.name in best:
            best[layer.name].update(y)

    for x in batches:
        network.forward(x, INFERENCE.watched_by(watch))
    return {name: _patches(network, name, found, channels, count) for name, found in best.items()}


class _Best:
    """The strongest places of every channel of a layer, over many batches."""

    def __init__(self, count: int) -> None:
        self.count, self.seen = count, 0
        self.values = self.images = self.places = np.empty((0, 0))
        self.width = 1

    def update(self, y: Array) -> None:
        """Take in a batch (N, C, P, Q)."""
        flat = y.reshape(*y.shape[:2], -1)  # (N, C, P Q)
        places = flat.argmax(axis=2)
        values = np.take_along_axis(flat, places[..., None], 2)[..., 0]
        images = np.broadcast_to(self.seen + np.arange(len(y))[:, None], places.shape)
        if self.seen:
            values, images, places = (
                np.concatenate(pair) for pair in ((self.values, values), (self.images, images), (self.places, places))
            )
        order = np.argsort(-values, axis=0, kind="stable")[: self.count]
        self.values, self.images, self.places = (
            np.take_along_axis(array, order, 0) for array in (values, images, places)
        )
        self.width, self.seen = y.shape[3], self.seen + len(y)


def _patches(
    network: Network, name: str, best: _Best, channels: Sequence[int] | None, count: int
) -> dict[int, list[Patch]]:
    """The best places of some channels, with what each sees."""
    view = find_view(network.nodes, network.input_shape, name)
    known = best.values.shape[1]
    chosen = range(min(count, known)) if channels is None else [c for c in channels if 0 <= c < known]
    found: dict[int, list[Patch]] = {}
    for channel in chosen:
        found[channel] = []
        for rank in range(len(best.values)):
            unit = divmod(int(best.places[rank, channel]), best.width)
            hull = view.region(unit, bounded=False).hull()
            if hull is not None:
                image, value = int(best.images[rank, channel]), float(best.values[rank, channel])
                found[channel].append(Patch(image, value, *hull))
    return found


def _convolutions(network: Network) -> Iterator[tuple[str, Conv2d]]:
    return ((layer.name, layer) for layer in network.layers() if isinstance(layer, Conv2d))
