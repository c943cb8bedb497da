"""The page itself: template, style, scripts and data put into one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from pellucid.data import normalized
from pellucid.data.framing import Framing
from pellucid.errors import PellucidError
from pellucid.export.page.integers import entry_table, integer_rows
from pellucid.export.page.nodes import rows_of
from pellucid.export.page.weights import Packed
from pellucid.ops.arrays import Array
from pellucid.plan import AnyNetwork, IntegerNetwork

ENGINE = ("weights.js", "convolution.js", "layers.js", "integers.js", "network.js", "framing.js", "tasks.js")
VIEWS = (
    "words.js", "painting.js", "input.js", "answer.js", "map.js", "unit.js", "whole.js", "explanations.js",
    "history.js", "training.js", "app.js",
)  # fmt: skip
TASKS = ("classify", "segment", "detect")
LARGEST_LOSSLESS = 96 * 96  # pixels; larger test images are kept as JPEG


@dataclass(frozen=True, eq=False)
class PageImage:
    """A test image that comes along: pixels (C, H, W) uint8, and its class where it has one."""

    pixels: Array
    truth: int | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """What a page shows: a network, of floats or integers, and what it was trained by.

    task: "classify", "segment" or "detect". mean, std: of the normalisation, one a channel, empty for none.
    detection: settings of the decoding. images: some to begin with. history: one record an epoch. matrix: (K, K),
    test images of the row's class taken for the column's. colours: of each class, red, green and blue, 0 to 255, as
    masks and boxes are drawn.
    """

    title: str
    network: AnyNetwork
    task: str
    class_names: Sequence[str]
    framing: Framing
    mean: Sequence[float] = ()
    std: Sequence[float] = ()
    detection: Mapping[str, float] | None = None
    images: Sequence[PageImage] = field(default_factory=tuple)
    history: Sequence[Mapping[str, Any]] = ()
    matrix: Array | None = None
    colours: Sequence[Sequence[int]] = ()


def page_html(subject: Subject, *, bits: int = 16) -> bytes:
    """The page's HTML. bits: 32, 16 or 8, of each weight; an integer network's are carried as they are.

    Raises PellucidError for other bits, a task or a layer that no page can show, and images that are not of 1 or 3
    channels.
    """
    network = subject.network
    if subject.task not in TASKS:
        raise PellucidError(f"page: task {subject.task!r}, expected one of {', '.join(TASKS)}")
    if len(network.input_shape) != 3 or network.input_shape[0] not in {1, 3}:
        raise PellucidError(f"page: expected a network for images of 1 or 3 channels, got {network.input_shape}")
    packed = Packed(bits)
    model = {
        "title": subject.title,
        "task": subject.task,
        "classes": list(subject.class_names),
        "input": list(network.input_shape),
        "framing": subject.framing.rule,
        "mean": list(subject.mean),
        "std": list(subject.std),
        "detection": subject.detection,
        **carried_network(subject, packed),
        "arrays": packed.rows,
        "images": [{"src": _picture(image.pixels), "truth": image.truth} for image in subject.images],
        "history": [dict(record) for record in subject.history],
        "colours": [list(colour) for colour in subject.colours],
        "matrix": None if subject.matrix is None else np.asarray(subject.matrix).tolist(),
    }
    script = "".join(source(name) for name in ENGINE + VIEWS)
    parts = {
        "title": escape(subject.title),
        "style": source("style.css"),
        "script": f'(() => {{\n"use strict";\n{script}}})();',
        "model": json.dumps(model, ensure_ascii=True).replace("<", "\\u003c"),
        "weights": packed.text(),
    }
    parts["policy"] = f"script-src 'sha256-{_digest(parts['script'])}'"
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], source("page.html")).encode()


def carried_network(subject: Subject, packed: Packed) -> dict[str, Any]:
    """What the engine runs. entry, zero: of an integer network, the byte for each pixel's, and what stands for 0."""
    network = subject.network
    if not isinstance(network, IntegerNetwork):
        rows = rows_of(network.nodes, network.input_shape, packed)
        return {"bits": packed.bits, "nodes": rows, "outputs": list(network.nodes.outputs)}
    levels = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(16, 16), (1, network.input_shape[0], 16, 16))
    seen = normalized(levels, network.dtype, 255, subject.mean or None, subject.std or None)
    return {
        "bits": network.bits,
        "nodes": integer_rows(network, packed),
        "outputs": [network.steps[-1].name],
        "entry": entry_table(network, seen.reshape(network.input_shape[0], 256)),
        "zero": network.input_scale.zero,
        "step": network.input_scale.step,
    }


def source(name: str) -> str:
    """One of the files that the page is made of."""
    return (files("pellucid.export.page") / "source" / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's policy calls the one script that may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _picture(pixels: Array) -> str:
    """An image (C, H, W) uint8 as an address that holds it: PNG, or JPEG where that would be large."""
    from PIL import Image

    planes = np.ascontiguousarray(np.asarray(pixels, np.uint8).transpose(1, 2, 0))
    picture, content = Image.fromarray(planes[..., 0] if planes.shape[2] == 1 else planes), io.BytesIO()
    lossless = planes.shape[0] * planes.shape[1] <= LARGEST_LOSSLESS
    if lossless:
        picture.save(content, "PNG", optimize=True)
    else:
        picture.save(content, "JPEG", quality=88)
    kind = "png" if lossless else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
