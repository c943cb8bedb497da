"""A network as the stages that integer arithmetic knows: an affine layer with what follows it, pools, tables.

Conv2d or Linear [BatchNorm2d] [activation] [MaxPool2d]    one stage: one pass over integers
MaxPool2d, AvgPool2d, GlobalAvgPool2d, an activation       a stage each
Flatten, Dropout, Identity                                 nothing: they only lay out anew, or act in training
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool2d,
    Identity,
    Layer,
    LeakyReLU,
    Linear,
    MaxPool2d,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from pellucid.network import Network
from pellucid.ops.arrays import Shape
from pellucid.ops.geometry import Geometry
from pellucid.precision.rounding import RoundedWeights, Rounding

ACTIVATIONS = (ReLU, LeakyReLU, Sigmoid, Tanh, SiLU)
POOLS = (MaxPool2d, AvgPool2d, GlobalAvgPool2d)
SILENT = (Flatten, Dropout, Identity)

Images = tuple[int, int, int]

KNOWN = ", ".join(kind.__name__ for kind in (Conv2d, Linear, BatchNorm2d, *ACTIVATIONS, *POOLS, *SILENT))


@dataclass
class Stage:
    """Layers that are one step of the integer network.

    input_shape, output_shape: of one sample, (C, H, W); features are images of one pixel, and what is flattened
    stays as it was. rounding: what training learnt of the range of the output, if it did.
    """

    input_shape: Images
    output_shape: Images
    affine: Conv2d | Linear | None = None
    rounded: RoundedWeights | None = None
    norm: BatchNorm2d | None = None
    activation: Layer | None = None
    pool: Layer | None = None
    rounding: Rounding | None = None

    @property
    def last(self) -> Layer:
        """The layer whose output leaves the stage; where a pool is joined to it, what the pool sees."""
        layers = (self.activation, self.norm, self.affine, self.pool)
        return next(layer for layer in layers if layer is not None)

    @property
    def open(self) -> bool:
        """Whether batch normalisation or ReLU can still join."""
        return self.affine is not None and not (self.activation or self.pool or self.rounding)


def stages(network: Network) -> list[Stage]:
    """The network's stages in order.

    Raises PellucidError, naming the layer, for a layer or an order of layers without integer form.
    """
    found: list[Stage] = []
    shape = images_shape(network.input_shape)
    for layer, seen in leaves(network.layer, network.input_shape):
        stage = _joined(found[-1], layer) if found else None
        if stage is None and not isinstance(layer, SILENT):
            stage = _begun(layer, shape)
            found.append(stage)
        if stage is not None:
            shape = stage.output_shape = images_shape(layer.output_shape(seen))
    if not found or found[-1].affine is None or found[-1].activation or found[-1].pool:
        last = repr(found[-1].last) if found else "no layer"
        raise PellucidError(f"integer network: expected Linear or Conv2d as the last layer, got {last}")
    return found


def leaves(layer: Layer, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """The layers inside nested sequences, with what each sees."""
    if not isinstance(layer, Sequential):
        yield layer, shape
        return
    for child, seen in zip(layer.layers, layer.children_inputs(shape), strict=True):
        yield from leaves(child, seen)


def images_shape(shape: Shape) -> Images:
    """(C, H, W) of one sample; features (F,) are images of one pixel."""
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])


def _joined(stage: Stage, layer: Layer) -> Stage | None:
    """The stage with the layer in it, or None where it does not belong there."""
    if isinstance(layer, BatchNorm2d) and stage.open and stage.norm is None:
        stage.norm = layer
    elif isinstance(layer, ReLU) and stage.open:
        stage.activation = layer
    elif isinstance(layer, Rounding):
        stage.rounding = layer
    elif isinstance(layer, MaxPool2d) and stage.affine is not None and stage.pool is None and _squares(layer):
        stage.pool = layer
    else:
        return None
    return stage


def _begun(layer: Layer, shape: Images) -> Stage:
    """A stage that starts with the layer."""
    if isinstance(layer, RoundedWeights):
        return Stage(shape, shape, affine=layer.inner, rounded=layer)
    if isinstance(layer, Conv2d | Linear):
        return Stage(shape, shape, affine=layer)
    if isinstance(layer, ACTIVATIONS):
        return Stage(shape, shape, activation=layer)
    if isinstance(layer, POOLS):
        return Stage(shape, shape, pool=layer)
    raise layer.error(f"a layer with an integer form ({KNOWN})", layer.kind)


def _squares(pool: MaxPool2d) -> bool:
    """Whether the windows are whole squares side by side, which can be taken before rounding."""
    side = pool.kernel[0]
    return pool.kernel == (side, side) and pool.geometry == Geometry(stride=(side, side)) and not pool.ceil
