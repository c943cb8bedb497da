"""A trained model: what it says of images, and its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import msgspec
import numpy as np

from pellucid import ops
from pellucid.arguments import checked, checked_but
from pellucid.data import Data, Dataset
from pellucid.data.arrays import Layout
from pellucid.data.framing import Framed, enlarged_mask
from pellucid.errors import InputError, PellucidError
from pellucid.exchange.onnx_export import save_onnx
from pellucid.files import path_of
from pellucid.front.images import framed, is_single
from pellucid.front.predictions import Prediction, Predictions
from pellucid.front.web_page import WebPage
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import answering
from pellucid.recipes import Model as TrainedModel
from pellucid.recipes import build_data, build_loader, model_notes, open_model
from pellucid.recipes.model import About, framing_note
from pellucid.recipes.own_network import trusting
from pellucid.recipes.predict import inputs
from pellucid.recipes.predict_boxes import Detector
from pellucid.recipes.written import written
from pellucid.task import Task
from pellucid.tasks import Classify, Detect, Labels, Segment
from pellucid.tasks.labels import SURE
from pellucid.tasks.tiles import segment
from pellucid.training import evaluate
from pellucid.weights import save_model

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 256
ONNX = ".onnx"


@dataclass(frozen=True)
class Model(TrainedModel):
    """A trained network with all that is needed to use it: task, class names, and how pictures become its input.

    >>> net = pl.Network(pl.nn.Linear(2), (4,))
    >>> data = pl.data.arrays(np.eye(4), [0, 1, 0, 1], test=0.25)
    >>> model = pl.fit(net, data, epochs=1, verbosity=0).model
    >>> len(model.predict(np.zeros((3, 4)))), model.class_names
    (3, ('0', '1'))
    """

    @classmethod
    def of(cls, network: Network, task: Task, about: About) -> Model:
        """A network with its task, and what its file would say."""
        return cls(network, task, *about)

    @overload
    def predict(
        self, images: str | Path | Image, *, layout: Layout | None = None, score: float | None = None
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        images: list[str] | list[Path] | list[Image],
        *,
        layout: Layout | None = None,
        score: float | None = None,
    ) -> Predictions: ...

    @overload
    def predict(self, images: Array, *, layout: Layout | None = None, score: float | None = None) -> Any: ...

    def predict(
        self, images: Any, *, layout: Layout | None = None, score: float | None = None
    ) -> Prediction | Predictions:
        """What the model says: of one image a `Prediction`, of several `Predictions`.

        images: paths or PIL pictures, of any size, which become the network's input as the training images did,
        upright by their own notes; or an array, of uint8 (0 to 255) or floats (in the units that it was trained in, 0
        to 1 for images of bytes), as the network takes it: (C, H, W), (H, W, C), or (N, ...) of those; in grey also
        (H, W) and (N, H, W); a table's row (F,) or (N, F). layout: "NCHW" or "NHWC", needed where both fit.
        score: of a detector, how sure it must be of a box; by default as for its pictures, 0 gives all that
        `evaluate` counts; other models take none.

        Raises PellucidError, a ValueError too where an array doesn't fit, saying what was expected and what came.
        """
        if score is not None and not (isinstance(score, Real) and 0 <= score <= 1):
            raise InputError(f"predict: score: expected a number from 0 to 1, got {score!r}")
        if score is not None and not isinstance(self.task, Detect):
            raise InputError(f"predict: score: expected a detector, got the task {self.recipe.task['name']}")
        seen = framed(self, images, layout)
        if not seen:
            raise InputError("predict: expected at least one image, got none")
        answers: list[Prediction] = []
        for start in range(0, len(seen), BATCH):
            answers += self._answers(seen[start : start + BATCH], score)
        return answers[0] if is_single(images, self.image_shape) else Predictions(answers)

    def _answers(self, images: Sequence[Framed], score: float | None) -> list[Prediction]:
        task, names = self.task, self.class_names
        if isinstance(task, Detect):
            found, least = Detector(self)(images), task.shown_score if score is None else score
            return [
                Prediction(boxes=boxes.above(least), pixels=_part(image), class_names=names, size=image.size)
                for boxes, image in zip(found, images, strict=True)
            ]
        if isinstance(task, Segment):
            masks = [segment(self.network, self._inputs(image.pixels[None])[0]) for image in images]
            return [
                Prediction(
                    mask=enlarged_mask(mask[: i.part[0], : i.part[1]], i.size),
                    pixels=_part(i),
                    class_names=names,
                    size=i.size,
                )
                for mask, i in zip(masks, images, strict=True)
            ]
        outputs = self.outputs(np.stack([image.pixels for image in images]))
        if isinstance(task, Labels):
            return [_labelled(p, image, names) for p, image in zip(task.probabilities(outputs), images, strict=True)]
        if not isinstance(task, Classify):
            return [
                Prediction(values=y, pixels=image.pixels, class_names=names)
                for y, image in zip(outputs, images, strict=True)
            ]
        probabilities = ops.host(ops.softmax(ops.array(outputs)))
        best = probabilities.argmax(1).tolist()
        return [
            Prediction(k, names[k], float(p[k]), p, pixels=image.pixels, class_names=names)
            for k, p, image in zip(best, probabilities, images, strict=True)
        ]

    def outputs(self, pixels: Array) -> Array:
        """The network's own outputs for images (N, C, H, W) or rows (N, F), uint8 or floats as in `predict`.

        Raises PellucidError where they aren't finite, or the images are of another shape than the network's.
        """
        if pixels.shape[1:] != self.image_shape:
            raise InputError(f"{self.path}: expected images of shape {self.image_shape}, got {pixels.shape[1:]}")
        with np.errstate(over="ignore", invalid="ignore"):
            y: Array = ops.host(answering(self.network)(self._inputs(pixels)))
        if not np.isfinite(y.astype(np.float32)).all():
            raise PellucidError(f"{self.path}: the network's outputs are not finite, its weights can't be used")
        return y

    def _inputs(self, pixels: Array) -> Array:
        data = self.recipe.data
        if pixels.dtype == np.uint8:
            return inputs(self, pixels)
        from pellucid.data import normalized

        return normalized(pixels, self.network.dtype, 1, data.mean or None, data.std or None)

    @checked
    def evaluate(self, data: Data | Dataset) -> dict[str, float]:
        """Loss and measures over all test images of some data, or over all of a data set."""
        dataset = data.test if isinstance(data, Data) else data
        if dataset.shape[0] != self.image_shape[0] or len(dataset.shape) != len(self.image_shape):
            raise InputError(f"evaluate: expected samples of shape {self.image_shape}, got {dataset.shape}")
        return evaluate(self.network, self.task, build_loader(self.recipe, dataset, training=False))

    def save(self, path: str | Path) -> None:
        """Write a file: `.safetensors`, which `pl.load` and the command line read, or `.onnx` for other programs.

        Raises PellucidError for another suffix, and for a layer that can't be written down.
        """
        path = path_of(path, "save")
        if path.suffix == ONNX:
            data = self.recipe.data
            framing = {"framing": framing_note(self.framing)}
            save_onnx(
                path, self.network, class_names=self.class_names, mean=data.mean, std=data.std, metadata=framing
            )  # fmt: skip
            return
        if path.suffix != ".safetensors":
            raise InputError(f"{path}: expected a name that ends in .safetensors or .onnx")
        recipe = self.recipe
        if recipe.network["name"] == "layers":
            network = {"name": "layers", "layers": written(self.network.layer)}
            recipe = msgspec.structs.replace(recipe, network=network)
        notes = model_notes(recipe, self.image_shape, self.class_names, self.framing, self.class_ids)
        save_model(path, self.network, notes)

    @checked_but("data")
    def page(self, data: Data | None = None, *, bits: int | None = None, images: int = 40) -> WebPage:
        """One web page that shows the network at work, offline: every layer, every unit; a notebook shows it.

        data: whose test images come along and are counted; by default what the recipe names, so a model that learnt
        from arrays needs them. bits: of each weight that the page carries, 32, 16 (by default) or 8. images: how many
        come along.
        Raises PellucidError for data of other classes or of floats, and for what the page doesn't show.
        """
        from pellucid.recipes.page import model_page

        if not isinstance(data, Data | None):
            raise InputError(f"page: data: expected Data, got {type(data).__name__}")
        data = data or build_data(self.recipe, self.held_out, self.framing)
        if (data.shape[0], data.class_names) != (self.image_shape[0], self.class_names):
            raise InputError(f"page: expected data of the classes {', '.join(self.class_names)}, to be given as data")
        if data.test.inputs[:1].dtype != np.uint8:
            raise InputError(f"page: expected images of bytes (uint8), got {data.test.inputs[:1].dtype}")
        return WebPage(model_page(self, data=data, bits=bits, images=images))

    def __call__(self, images: Any, *, layout: Layout | None = None) -> Prediction | Predictions:
        """`predict`."""
        found: Prediction | Predictions = self.predict(images, layout=layout)
        return found

    def __repr__(self) -> str:
        return f"Model: {self.recipe.task['name']}, {', '.join(self.class_names)}\n{self.network!r}"

    def _repr_html_(self) -> str:
        return self.network._repr_html_()


@checked_but("path")
def load(path: str | Path, *, best: bool = False, trust: bool = False) -> Model:
    """A model: of a weights file (.safetensors), an ONNX file, or of a run's folder (its last, or its best).

    path: of the file or the folder. best: the epoch that was best, of a run's folder. trust: run code that the file
    names: layers or networks of people's own that aren't imported already.
    Raises PellucidError where there is none, it's damaged, or names code that isn't trusted.

    >>> data = pl.data.arrays(np.eye(4), [0, 1, 0, 1], test=0.25)
    >>> net = pl.Network(pl.nn.Linear(2), data.shape)
    >>> run = pl.fit(net, data, epochs=1, verbosity=0)
    >>> run.model.save("small.safetensors")
    >>> pl.load("small.safetensors").class_names
    ('0', '1')
    """
    path = path_of(path, "load")
    with trusting(trust):
        found = open_model(path, best=best)
    about = (getattr(found, name) for name in About._fields)
    return Model(found.network, found.task, *about)


def _labelled(probabilities: Array, image: Framed, names: tuple[str, ...]) -> Prediction:
    """The answer of a network whose images may have several labels."""
    order = np.argsort(-probabilities, kind="stable")
    labels = tuple(names[k] for k in order if probabilities[k] >= SURE)
    best = int(order[0])
    return Prediction(
        best,
        names[best],
        float(probabilities[best]),
        probabilities,
        pixels=image.pixels,
        class_names=names,
        labels=labels,
    )


def _part(image: Framed) -> Array:
    """The pixels that show the image, without the canvas around it."""
    return image.pixels[:, : image.part[0], : image.part[1]]
