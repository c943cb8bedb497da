"""Fully convolutional networks: a class for every pixel, from images of any height and width.

A classifier without its affine layers shrinks the image to a map of coarse places, each of which knows much about
what is there and little about where. The map grows back by learned upsampling; a skip scores the finer map before
a pool as well, and adds: what from below, where from above.

    backbone ... pool ... pool - convolutions - scores
                  |                               | grown x2, learned
                  +--------- 1x1 scores --------- + ----------------- grown to the image's size

Source: Long, Shelhamer, Darrell 2015, "Fully Convolutional Networks for Semantic Segmentation", sections 3.3, 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Sequential, Sum, Upsampled, grid, unroll
from pellucid.graph.parts import parts
from pellucid.layers import AvgPool2d, Conv2d, Layer, MaxPool2d, ReLU
from pellucid.network import Network
from pellucid.ops.geometry import sides
from pellucid.zoo.convolutionalize import convolutional

_NEW = ("score", "up")  # parts that no classifier has


@checked
def fcn32(classes: int, *, backbone: str = "deep-convnet", backbone_size: int = 28) -> Layer:
    """A backbone's scores grown back in one step, without skips.

    backbone: any network of the zoo; its last layer gives the scores. backbone_size: side of the images that it is
    made for, which fixes the filters that its affine layers become. Named as in the paper after the stride of its
    backbone, 32; DeepConvNet's is 8.
    """
    return _fcn(classes, backbone, backbone_size, skips=0)


@checked
def fcn16(classes: int, *, backbone: str = "deep-convnet", backbone_size: int = 28) -> Layer:
    """As fcn32, with the scores of the last pool but one added at its own, twice finer places."""
    return _fcn(classes, backbone, backbone_size, skips=1)


@checked
def fcn8(classes: int, *, backbone: str = "deep-convnet", backbone_size: int = 28) -> Layer:
    """As fcn16, with those of the pool before that too, finer by two again."""
    return _fcn(classes, backbone, backbone_size, skips=2)


@checked
def fcn_small(classes: int, *, widths: Sequence[int] = (16, 32, 64, 96)) -> Layer:
    """For images of 28 to 128 pixels: skips at every level, the image's own included; all convolutions 3x3, stride 1.

    widths: channels at full size, after the first 2x2 pool, after the second, and so on. The first level has one
    convolution, the others two.
    """
    if not widths or min(widths) < 1:
        raise PellucidError(f"fcn-small: expected widths of at least 1, one a level, got {list(widths)}")
    stages = [_stage(width, first=level == 0) for level, width in enumerate(widths)]
    scores: Layer = Sequential(stages[-1], Conv2d(classes, 1, initial="xavier"), names=("stage", "score"))
    for stage in reversed(stages[:-1]):
        scores = Sequential(stage, _skip(classes, scores), names=("stage", "scores"))
    return scores


def _stage(width: int, first: bool) -> Sequential:
    convolution = [Conv2d(width, 3, padding=1), ReLU()]
    if first:
        return Sequential(*convolution)
    return Sequential(MaxPool2d(2), *convolution, Conv2d(width, 3, padding=1), ReLU())


def _skip(classes: int, deep: Layer) -> Sum:
    """Scores of the map that comes in, and those of what is deeper, grown to its size.

    The new scores start at 0, so that adding them changes nothing before it helps (section 4.2).
    """
    return Sum(Conv2d(classes, 1, initial="zero"), Upsampled(deep, classes), names=("score", "deep"))


def _fcn(classes: int, backbone: str, backbone_size: int, skips: int) -> Layer:
    stages = _backbone_stages(classes, backbone, backbone_size)
    if len(stages) <= skips:
        raise PellucidError(f"backbone {backbone}: {skips} skips need {skips + 1} poolings, it has {len(stages)}")
    deep = _sequence(stages.pop())
    for _ in range(skips):
        deep = _sequence([*stages.pop(), ("scores", _skip(classes, deep))])
    rest = [named for stage in stages for named in stage]
    return Upsampled(_sequence([*rest, *parts(unroll(deep))]), classes, frozen=True)


Named = tuple[str, Layer]


def _sequence(named: Sequence[Named]) -> Sequential:
    return Sequential(*(layer for _, layer in named), names=tuple(name for name, _ in named))


def _backbone_stages(classes: int, backbone: str, size: int) -> list[list[Named]]:
    """The backbone's layers, cut behind each that shrinks the map; the last stage goes on to the scores."""
    from pellucid.zoo import create

    found = parts(convolutional(unroll(create(backbone, classes)), (1, size, size)))
    while found and not isinstance(found[-1][1], Conv2d):  # a dropout of logits would drop pixels' scores
        found.pop()
    if not found:
        raise PellucidError(f"backbone {backbone}: expected a classifier, a sequence that ends with its scores")
    stages: list[list[Named]] = [[]]
    for name, layer in found:
        stages[-1].append((name, layer))
        if grid(unroll(layer))[0].step > 1:
            stages.append([])
    if len(stages) > 1:  # what follows the last pool are the convolutions that affine layers became
        stages[-2:] = [stages[-2] + stages[-1]]
    for _, layer in stages[-1]:
        _cover(layer)
    stages[-1][-1] = ("score", Conv2d(classes, 1, initial="xavier"))
    return stages


def _cover(layer: Layer) -> None:
    """Let a window that nothing pads stand over the map's rim, so that its places reach the image's corners."""
    if isinstance(layer, Conv2d | AvgPool2d) and layer.stride == (1, 1) and not any(layer.geometry.padding):
        layer.geometry = replace(layer.geometry, padding=sides((layer.kernel[0] // 2, layer.kernel[1] // 2)))


def adopt(network: Network, classifier: Network, source: str = "the classifier") -> None:
    """Start an FCN from a classifier that was trained with its backbone: all but the scores is taken over.

    Affine weights become the filters that they are. Raises PellucidError, naming `source`, where shapes don't agree.
    """
    old = [(name, p) for name, p in classifier.parameters.items()]
    new = [(name, p) for name, p in network.parameters.items() if not set(_NEW) & set(name.split("."))]
    last = {name.rpartition(".")[0] for name, _ in old[-1:]}
    old = [(name, p) for name, p in old if name.rpartition(".")[0] not in last]
    for theirs, ours in zip_longest(old, new):
        if theirs is None or ours is None or theirs[1].size != ours[1].size:
            has, expected = ("nothing" if one is None else f"{one[0]} {one[1].shape}" for one in (theirs, ours))
            raise PellucidError(f"{source}: not this network's backbone: has {has}, expected {expected}")
    for (_, given), (_, parameter) in zip(old, new, strict=True):
        parameter.value[...] = given.value.reshape(parameter.shape)
