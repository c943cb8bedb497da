"""A trained model as one web page that shows it at work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pellucid.data import Data
from pellucid.data.randomness import generator
from pellucid.errors import PellucidError
from pellucid.export.page import PageImage, Subject, carried_state, page_html
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import AnyNetwork, IntegerNetwork
from pellucid.recipes.data import build_data, without_data
from pellucid.recipes.model import AnyModel
from pellucid.recipes.predict import inputs
from pellucid.tasks import Detect, Segment
from pellucid.tasks.mask_pictures import palette
from pellucid.training.callbacks.history import read_history
from pellucid.training.folder import RunFolder

BATCH = 256
MEASURED = 10_000  # test images that the confusion matrix counts at most
DETECTION = (
    "stride",
    "base",
    "log_range",
    "quality_power",
    "least_score",
    "candidates",
    "most",
    "nms_iou",
    "shown_score",
)


def model_page(
    model: AnyModel,
    *,
    bits: int | None = None,
    images: int = 40,
    data: Data | None = None,
    title: str | None = None,
) -> bytes:
    """The page's HTML, with everything in it.

    bits: of each weight, 32, 16 (unless told otherwise) or 8; an integer network has its own. images: test images
    that come along, half of them those that the network is most wrong about. data: by default the recipe's; a model
    that came without any has a page without images. Raises PellucidError as `page_html` does, and for bits of an
    integer network.
    """
    if isinstance(model.network, IntegerNetwork) and bits is not None:
        own = model.network.bits
        raise PellucidError(f"page: expected no bits for an integer network, which has weights of {own}, got {bits}")
    bits = 16 if bits is None else bits
    if images < 0:
        raise PellucidError(f"page: expected 0 or more images, got {images}")
    if data is None and images and not without_data(model.recipe):
        data = build_data(model.recipe, model.held_out, model.framing)
    task = model.recipe.task["name"]
    network = model.network if isinstance(model.network, IntegerNetwork) else _of_floats(model.network)
    matrix, chosen = (None, []) if data is None else _chosen(model, network, data, bits, images)
    return page_html(
        Subject(
            title or model.recipe.name,
            network,
            task,
            model.class_names,
            model.framing,
            model.recipe.data.mean or (),
            model.recipe.data.std or (),
            {name: getattr(model.task, name) for name in DETECTION} if isinstance(model.task, Detect) else None,
            chosen,
            read_history(RunFolder(model.path.parent).history),
            matrix,
            _colours(model),
        ),
        bits=bits,
    )


def _of_floats(network: Network) -> Network:
    """Where it learnt with rounding: the weights that it computes with, and activations that aren't rounded."""
    from pellucid.precision import without_rounding

    return without_rounding(network, weights_rounded=True)


def _colours(model: AnyModel) -> Sequence[Sequence[int]]:
    """Of each class, as predict draws masks and boxes."""
    K = len(model.class_names)
    found: list[list[int]] = (palette(K + 1)[1:] if isinstance(model.task, Detect) else palette(K)).tolist()
    return found if isinstance(model.task, Detect | Segment) else []


def _chosen(
    model: AnyModel, network: AnyNetwork, data: Data, bits: int, count: int
) -> tuple[Array | None, list[PageImage]]:
    """The confusion matrix of a classifier with the weights that the page carries, and images to begin with."""
    test = data.test
    drawn = generator(model.recipe.data.seed, "page").permutation(len(test))
    fitting = tuple(test.image_shape) == tuple(model.network.input_shape)
    if not fitting or count == 0:
        return None, []
    if model.recipe.task["name"] != "classify":
        return None, [PageImage(np.asarray(test.inputs[drawn[i : i + 1]])[0]) for i in range(min(count, len(test)))]
    network = _carried(network, bits)
    order, K = np.sort(drawn[:MEASURED]), len(model.class_names)
    labels, margins, matrix = np.asarray(test.targets)[order], np.empty(len(order)), np.zeros((K, K), np.int64)
    for start in range(0, len(order), BATCH):
        some = slice(start, start + BATCH)
        pixels = np.asarray(test.inputs[order[some]])
        logits = np.asarray(network.forward(inputs(model, pixels)), np.float64)
        rows, own = np.arange(len(logits)), labels[some]
        np.add.at(matrix, (own, logits.argmax(axis=1)), 1)
        true = logits[rows, own]
        logits[rows, own] = -np.inf
        margins[some] = true - logits.max(axis=1)
    worst = np.argsort(margins, kind="stable")[: count // 2]
    others = [i for i in np.searchsorted(order, drawn[: min(2 * count, len(order))]) if i not in set(worst.tolist())]
    picked = [*worst.tolist(), *others[: count - len(worst)]]
    return matrix, [PageImage(np.asarray(test.inputs[order[i : i + 1]])[0], int(labels[i])) for i in picked]


def _carried(network: AnyNetwork, bits: int) -> AnyNetwork:
    """The network with the weights that the page carries."""
    if isinstance(network, IntegerNetwork):
        return network
    twin = network.astype(network.dtype)
    twin.load_state(carried_state(network, bits))
    return twin


def write_page(
    model: AnyModel, out: Path, *, bits: int | None = None, images: int = 40, data: Data | None = None
) -> int:
    """Write the page into a file; its size in bytes."""
    from pellucid.files import check_own, write_whole

    check_own(out, b'content="pellucid page"', "page")
    content = model_page(model, bits=bits, images=images, data=data)
    write_whole(out, content)
    return len(content)
