"""Where on image files a trained model finds what speaks for a class."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pellucid import ops
from pellucid.analysis.explanation import cam_layer, grad_cam, occlusion
from pellucid.analysis.explanation_picture import Heat, draw_explanation
from pellucid.data.pictures import picture_format
from pellucid.errors import PellucidError
from pellucid.files import names_for, write_whole
from pellucid.graph import grid
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.numpy_ops import sigmoid
from pellucid.recipes.choices import unknown
from pellucid.recipes.model import Model
from pellucid.recipes.predict import inputs
from pellucid.tasks import Labels
from pellucid.tasks.evidence import Evidence, evidence
from pellucid.tasks.mask_pictures import check_targets, encoded

Method = Literal["grad-cam", "occlusion"]
METHODS: tuple[Method, ...] = ("grad-cam", "occlusion")
ENDING = "-explained.png"
PATCH = 7  # the square covers a 7th of the image's shorter side, unless another is asked for


@dataclass(frozen=True, eq=False)
class ExplainedFile:
    """One image file: the class asked about, its score, the maps (h, w) over the image by method, and the picture.

    layer: whose maps Grad-CAM weighed. maps: of the image's own part, without what is black around it.
    """

    image: Path
    class_name: str
    score: float
    layer: str
    maps: dict[str, Array]
    picture: Path


def explain_files(
    model: Model,
    paths: Sequence[Path],
    folder: Path,
    *,
    class_name: str | None = None,
    methods: Sequence[Method] = METHODS,
    layer: str | None = None,
    side: int | None = None,
) -> Iterator[ExplainedFile]:
    """For each image file, where what speaks for a class lies, as the picture NAME-explained.png in a folder;
    see `names_for`.

    class_name: by default the likeliest of each image. layer: for Grad-CAM, see `analysis.explanation.cam_layer`.
    side: of the square that covers parts, in pixels as the network sees them.

    All files are looked at before the first is computed. Raises PellucidError for a class or a layer that isn't
    there, and, naming the file, for one that is no image.
    """
    label = None if class_name is None else _label(model, class_name)
    if layer is not None:
        model.network.find(layer)
    for path in paths:
        picture_format(path)
    names = names_for(paths)
    check_targets(paths, folder, [ENDING])
    for path, name in zip(paths, names, strict=True):
        yield _explained(model, path, folder / f"{name}{ENDING}", label, methods, layer, side)


def _label(model: Model, name: str) -> int:
    """The class of that name; the text may be a part of one name only. Raises PellucidError for any other."""
    names = model.class_names
    if name in names:
        return names.index(name)
    holding = [k for k, known in enumerate(names) if name.lower() in known.lower()]
    if len(holding) == 1:
        return holding[0]
    if holding:
        raise PellucidError(f"class {name!r}: {len(holding)} names hold that, such as {names[holding[0]]!r}")
    raise unknown("class", name, names) if len(names) <= 30 else PellucidError(f"unknown class {name!r}")


def _explained(
    model: Model,
    path: Path,
    target: Path,
    label: int | None,
    methods: Sequence[Method],
    layer: str | None,
    side: int | None,
) -> ExplainedFile:
    from PIL import Image

    network = model.network
    opened = model.framing.open(path)
    framed = model.framing.see(opened, str(path))
    x, part = _fitting(model, inputs(model, framed.pixels[None])[0]), framed.part
    outputs = ops.host(network.forward(x[None]))[0].astype(np.float64)
    try:
        found = evidence(model.task, outputs, label, part)
    except PellucidError as error:
        raise PellucidError(f"{path}: {error}") from None
    name = layer or cam_layer(network.nodes, x.shape)
    maps: dict[str, Array] = {}
    heats = []
    for method in methods:
        if method == "grad-cam":
            values = grad_cam(network, x, found.weights, name)
            title = f"Grad-CAM, layer {name}"
        else:
            covering = side or max(2, min(part) // PATCH)
            values = occlusion(network, x, found.weights, covering)
            title = f"lost where {covering}x{covering} pixels are covered"
        maps[method] = _own_part(values, x.shape[1:], part)
        heats.append(Heat(title, maps[method]))
    class_name = model.class_names[found.label]
    score = found.score(outputs)
    photograph = (
        framed.pixels.transpose(1, 2, 0) if model.framing.rule in {"character", "crop"} else np.asarray(opened)
    )
    pixels = np.broadcast_to(photograph.reshape(*photograph.shape[:2], -1), (*photograph.shape[:2], 3))
    outline = None if found.where is None else _own_part(found.where, x.shape[1:], part)
    title = f"{path.name}: what speaks for {class_name} ({_said(model, found, outputs)})"
    drawn = draw_explanation(np.ascontiguousarray(pixels), title, heats, outline)
    write_whole(target, encoded(Image.open(io.BytesIO(drawn))))
    return ExplainedFile(path, class_name, score, name, maps, target)


def _said(model: Model, found: Evidence, outputs: Array) -> str:
    """How sure the network is, in words."""
    if isinstance(model.task, Labels):
        return f"{100 * sigmoid(outputs[found.label]):.1f} %"
    if found.where is None:
        e = np.exp(outputs - outputs.max())
        return f"{100 * e[found.label] / e.sum():.1f} %"
    return f"mean score {found.score(outputs):.2f}"


def _fitting(model: Model, x: Array) -> Array:
    """The input continued in black where the network's strides ask for it."""
    if x.shape == model.image_shape:
        return x
    periods = [axis.period for axis in grid(model.network.nodes)]
    missing = [-side % period for side, period in zip(x.shape[1:], periods, strict=True)]
    return np.pad(x, [(0, 0), (0, missing[0]), (0, missing[1])]) if any(missing) else x


def _own_part(values: Array, seen: Pair, part: Pair) -> Array:
    """Of a map of all that the network saw, (H, W) pixels, the places that lie within the image's own part."""
    h, w = (max(1, round(n * own / whole)) for n, own, whole in zip(values.shape, part, seen, strict=True))
    return values[:h, :w]
