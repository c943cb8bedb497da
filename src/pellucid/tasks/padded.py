"""Images of various sizes through a network in one batch, with the outputs that each would have alone.

Smaller images lie in the upper left corner of the batch's canvas. To a convolution, what lies beside an image is
zero, as its padding is; but of those zeros a bias or a normalisation makes something else, which the next layer would
see. So what lies outside an image's own part is set to zero again after every layer: then each layer sees what it
would see of that image alone, and at the image's edge the zeros that its own padding would give. Only pools
with padding count no zeros there, maps that are to grow go on as their edges, and some norms are of the whole image;
images of networks that have some go through one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

from pellucid import ops
from pellucid.graph import Nodes, grid
from pellucid.layers import INFERENCE, AvgPool2d, Layer, MaxPool2d
from pellucid.layers.resize import RepeatEdges
from pellucid.network import Network
from pellucid.ops import memory
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.plan import AnyNetwork, answering


def forward_each(network: AnyNetwork, images: Sequence[Array], period: Pair | None = None) -> list[Array]:
    """Outputs (K, h, w) of images (C, H, W) of any sizes, in the network's float type.

    An image whose side is no multiple of the network's period (the product of its strides) is continued in black up
    to the next one. The network's layers must leave zero what lies far from what isn't: convolutions, poolings,
    normalisations, element-wise functions, and sums and concatenations of those. period: the network's, where it is
    known already, as of one in integers it has to be.
    """
    if period is None:
        assert isinstance(network, Network)
        period = periods(network.nodes)
    shapes = [(image.shape[0], *_rounded(image.shape[1:], period)) for image in images]
    H, W = (max(shape[axis] for shape in shapes) for axis in (1, 2))
    batch = memory.empty_images((len(images), shapes[0][0], H, W), network.dtype)
    batch[...] = 0
    for row, image in zip(batch, images, strict=True):
        row[:, : image.shape[1], : image.shape[2]] = image
    if len(set(shapes)) == 1:
        return list(ops.host(answering(network)(batch)))
    if not isinstance(network, Network) or any(_overhangs(layer) for layer in network.layers()):
        rows = zip(batch, shapes, strict=True)
        answer = answering(network)
        return [ops.host(answer(memory.channels_last(row[None, :, :h, :w]))[0]) for row, (_, h, w) in rows]
    parts = _parts(network, shapes)

    def mask(layer: Layer, y: Array) -> None:
        for row, (h, w) in zip(y, parts.get(layer.name, ()), strict=False):
            row[:, h:] = 0
            row[:, :, w:] = 0

    y = ops.host(network.forward(batch, INFERENCE.watched_by(mask)))
    return [row[:, :h, :w] for row, (h, w) in zip(y, parts[network.nodes.outputs[0]], strict=True)]


def _overhangs(layer: Layer) -> bool:
    """Whether what lies beyond an image's edge isn't zero to a layer: a pool leaves it out, a map's edge goes on, a
    norm over the image would count it."""
    if isinstance(layer, RepeatEdges) or not layer.by_parts:
        return True
    return isinstance(layer, MaxPool2d | AvgPool2d) and (any(layer.geometry.padding) or layer.ceil)


def periods(nodes: Nodes) -> Pair:
    """Of rows and columns, the pixels that the sides of images are multiples of."""
    rows, columns = grid(nodes)
    return rows.period, columns.period


def _rounded(size: Shape, period: Pair) -> Pair:
    H, W = (max(1, -(-side // p)) * p for side, p in zip(size, period, strict=True))
    return H, W


def _parts(network: Network, shapes: Sequence[Shape]) -> dict[str, list[Pair]]:
    """By node, which part of its output, height and width, belongs to each image of these shapes."""
    parts: dict[str, list[Pair]] = {node.name: [] for node in network.nodes}
    for shape in shapes:
        outputs = network.nodes.shapes(shape)
        for node in network.nodes:
            output = outputs[node.name]
            if len(output) != 3:
                raise node.layer.error("images, as images of various sizes share a batch", f"{output}")
            parts[node.name].append((output[1], output[2]))
    return parts
