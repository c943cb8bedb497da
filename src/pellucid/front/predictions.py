"""What a model says of images."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.tasks.detections import Detections

SHOWN = 64  # pictures of a table


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one sample.

    label, name, probability: of the likeliest class. probabilities: of every class, (K,). labels: where an image
    may have several, the names of those that are likelier than not, likeliest first; each probability is of its
    label by itself then. mask: the class of each pixel of the image, (H, W) uint8. boxes: what was found, best
    first, in pixels of the image. values: the numbers of a regression, (M,). What the model's task doesn't tell is
    None. pixels: the image as the model saw it, perhaps smaller. size: (H, W) of the image; None where that is the
    pixels'.
    """

    label: int | None = None
    name: str | None = None
    probability: float | None = None
    probabilities: Array | None = None
    mask: Array | None = None
    boxes: Detections | None = None
    values: Array | None = None
    pixels: Array = field(default_factory=lambda: np.empty(0), repr=False)
    class_names: tuple[str, ...] = field(default=(), repr=False)
    size: Pair | None = field(default=None, repr=False)
    labels: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        return f"Prediction({self.text()})"

    def text(self) -> str:
        """The answer in a few words."""
        if self.labels and self.probabilities is not None:
            sure = (100 * self.probabilities[self.class_names.index(name)] for name in self.labels)
            return ", ".join(f"{name} {p:.1f} %" for name, p in zip(self.labels, sure, strict=True))
        if self.name is not None and self.probability is not None:
            return f"{self.name}, {100 * self.probability:.1f} %"
        if self.mask is not None:
            return "mask of " + ", ".join(self.class_names[k] for k in np.unique(self.mask))
        if self.boxes is not None:
            return f"{len(self.boxes)} boxes"
        values = () if self.values is None else self.values.reshape(-1)
        return ", ".join(f"{name} {v:.4g}" for name, v in zip(self.class_names, values, strict=False))

    def picture(self) -> bytes:
        """The image with what was found on it, as a PNG; nothing for a row of a table."""
        from PIL import Image

        from pellucid.data.framing import enlarged_mask
        from pellucid.tasks.box_pictures import draw_boxes
        from pellucid.tasks.mask_pictures import overlay

        if self.pixels.ndim != 3:
            return b""
        pixels = self.pixels
        if pixels.dtype != np.uint8:
            pixels = (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
        if self.mask is not None:
            drawn = overlay(pixels, enlarged_mask(self.mask, pixels.shape[1:]), self.class_names)
        elif self.boxes is not None:
            (h, w), (H, W) = pixels.shape[1:], self.size or pixels.shape[1:]
            boxes = self.boxes.boxes * np.array([w / W, h / H] * 2)
            drawn = draw_boxes(pixels, boxes, self.boxes.labels, self.class_names, self.boxes.scores)
        else:
            rows = pixels.transpose(1, 2, 0)
            drawn = Image.fromarray(rows[..., 0] if rows.shape[2] == 1 else rows[..., :3])
        found = io.BytesIO()
        drawn.save(found, "png")
        return found.getvalue()

    def _repr_html_(self) -> str:
        return _figure(self)


class Predictions(Sequence[Prediction]):
    """What a model says of several samples, in their order; in a notebook, the images with it below."""

    def __init__(self, answers: Sequence[Prediction]) -> None:
        self.answers = list(answers)

    def __len__(self) -> int:
        return len(self.answers)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...

    @overload
    def __getitem__(self, index: slice) -> Predictions: ...

    def __getitem__(self, index: int | slice) -> Prediction | Predictions:
        return Predictions(self.answers[index]) if isinstance(index, slice) else self.answers[index]

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.answers)

    @property
    def labels(self) -> list[int | None]:
        """The likeliest class of each."""
        return [answer.label for answer in self.answers]

    @property
    def names(self) -> list[str | None]:
        """The likeliest class's name of each."""
        return [answer.name for answer in self.answers]

    def __repr__(self) -> str:
        return "\n".join(map(repr, self.answers))

    def _repr_html_(self) -> str:
        more = f"<p>and {len(self) - SHOWN} more</p>" if len(self) > SHOWN else ""
        return "".join(_figure(answer) for answer in self.answers[:SHOWN]) + more


def _figure(answer: Prediction) -> str:
    """One image with the answer below."""
    picture = base64.b64encode(answer.picture()).decode()
    style = "min-width:56px;image-rendering:pixelated"
    shown = f'<img src="data:image/png;base64,{picture}" style="{style}">' if picture else ""
    text = html.escape(answer.text())
    return f'<figure style="display:inline-block;margin:4px">{shown}<figcaption>{text}</figcaption></figure>'
