"""Every reader of files: valid ones to begin with, and all that is done with them once they are read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from pellucid.data import Data, Dataset, load_data, read_voc, write_idx
from pellucid.data.boxed import load_boxed
from pellucid.data.framing import Framing
from pellucid.data.masked import load_masked
from pellucid.data.pictures import picture_format, read_picture
from pellucid.data.prepare import prepare_character
from pellucid.data.scenes import scene_settings
from pellucid.export import export_c
from pellucid.network import Network
from pellucid.plan import IntegerNetwork
from pellucid.precision import quantize
from pellucid.precision.storage import save_integer
from pellucid.recipes import Recipe, build_network, build_task, build_trainer, load_recipe, open_model
from pellucid.recipes.model import model_notes
from pellucid.recipes.predict import guess
from pellucid.recipes.shrink import open_any, open_shrunk
from pellucid.recipes.write import recipe_toml
from pellucid.training import load_checkpoint, save_checkpoint
from pellucid.training.callbacks import History
from pellucid.training.callbacks.curve import draw_curve
from pellucid.training.callbacks.history import read_history
from pellucid.weights import load_model, save_model
from pellucid.zoo import create
from pellucid.zoo.book import read_book_parameters
from robustness import onnx_files

IMAGE = (1, 28, 28)
FRAMING = Framing("character", 1, (28, 28))
CLASSES = tuple("0123456789")
TINY = {"network.name": "tiny-digits", "training.batch_size": 8, "training.epochs": 2, "training.ema": 0.9}


@dataclass(frozen=True)
class Reader:
    """make: writes valid files into an empty folder. read: reads them; its second argument is the one that changed.

    victims: endings of the files that are changed.
    """

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path, Path], object]
    victims: tuple[str, ...] = ("",)


def _tiny() -> Recipe:
    return load_recipe("deep-convnet", TINY)


def _data() -> Data:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (24, *IMAGE)).astype(np.uint8)
    dataset = Dataset(images, np.arange(24) % 10, CLASSES, "digits")
    return Data(dataset, None, dataset)


def _books(folder: Path) -> None:
    draw = np.random.default_rng(0)
    arrays = {
        "W1": draw.standard_normal((4, 1, 3, 3)),
        "b1": draw.standard_normal(4),
        "W2": np.zeros((4, 2), np.float32),
    }
    for protocol in range(6):
        (folder / f"{protocol}.pkl").write_bytes(pickle.dumps(arrays, protocol))


def _idx_set(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for part in ("train", "t10k"):
        write_idx(folder / f"emnist-{part}-images-idx3-ubyte", draw.integers(0, 256, (6, 9, 9)).astype(np.uint8))
        write_idx(folder / f"emnist-{part}-labels-idx1-ubyte.gz", np.arange(6).astype(np.uint8) % 3)
    (folder / "emnist-mapping.txt").write_text("0 48\n1 49\n2 50 51\n")


def _pictures(folder: Path) -> None:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (20, 30, 4)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "rgba.png")
    Image.fromarray(pixels[..., :3]).save(folder / "rgb.png", exif=exif)
    Image.fromarray(pixels[..., 0]).save(folder / "grey.png")
    Image.fromarray(pixels[..., 0] > 99).save(folder / "bits.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "wide.png")
    Image.fromarray(pixels[..., :3]).quantize(7).save(folder / "palette.png", transparency=3)
    Image.fromarray(pixels[..., :3]).save(folder / "rgb.jpg", exif=exif)
    Image.fromarray(pixels[..., 0]).save(folder / "grey.jpg", progressive=True)
    Image.fromarray(pixels).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(pixels[..., :3]).save(folder / "rgb.tif", compression="tiff_lzw")
    Image.fromarray(pixels[..., 0].astype(np.float32)).save(folder / "floats.tif")
    Image.fromarray(pixels).save(folder / "rgba.webp", exif=exif)
    Image.fromarray(pixels[..., :3]).save(folder / "rgb.bmp")


def _read_picture(folder: Path, victim: Path) -> object:
    picture_format(victim)
    return read_picture(victim, 3, (16, 12)), prepare_character(victim)


_OBJECT = (
    "<object><name>{}</name><difficult>0</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>"
    "<ymax>{}</ymax></bndbox></object>"
)


def _voc(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for name in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)
    for name in ("a1", "a2", "a3"):
        Image.fromarray(draw.integers(0, 256, (20, 24, 3)).astype(np.uint8)).save(folder / f"JPEGImages/{name}.png")
        mask = Image.fromarray(draw.integers(0, 3, (20, 24)).astype(np.uint8))
        mask.putpalette(bytes(range(9)))
        mask.save(folder / f"SegmentationClass/{name}.png")
        objects = _OBJECT.format("cat", 1, 1, 12, 9) + _OBJECT.format("dog", 3, 4.5, 20, 20)
        text = f"<annotation><size><width>24</width><height>20</height></size>{objects}</annotation>"
        (folder / f"Annotations/{name}.xml").write_text(text)
    for kind in ("Main", "Segmentation"):
        (folder / f"ImageSets/{kind}/train.txt").write_text("a1\na2\n")
        (folder / f"ImageSets/{kind}/val.txt").write_text("a3 1\n")
    (folder / "classes.txt").write_text("dog\ncat\nbird\n")


def _coco(folder: Path) -> None:
    draw = np.random.default_rng(0)
    (folder / "annotations").mkdir()
    (folder / "images").mkdir()
    for part, names in (("train", ("1", "2")), ("val", ("3",))):
        content: dict[str, Any] = {"categories": [{"id": 7, "name": "dog"}, {"id": 9, "name": "cat"}]}
        content["images"] = [{"id": int(n), "file_name": f"{n}.png", "height": 20, "width": 24} for n in names]
        content["annotations"] = [
            {
                "id": 10 * k + int(n),
                "image_id": int(n),
                "category_id": 7 + 2 * k,
                "iscrowd": k,
                "bbox": [1, 2, 9.5, 8],
            }
            for n in names
            for k in (0, 1)
        ]
        for name in names:
            Image.fromarray(draw.integers(0, 256, (20, 24, 3)).astype(np.uint8)).save(folder / f"images/{name}.png")
        (folder / f"annotations/{part}.json").write_text(json.dumps(content))


def _yolo(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for part, names in (("train", ("a", "b")), ("val", ("c",))):
        for kind in ("images", "labels"):
            (folder / kind / part).mkdir(parents=True)
        for name in names:
            pixels = draw.integers(0, 256, (20, 24, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"images/{part}/{name}.png")
            lines = "0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.3 0.1 0.3 0.4 0.1 0.4\n"
            (folder / f"labels/{part}/{name}.txt").write_text(lines)
    (folder / "data.yaml").write_text("train: images/train\nnames:\n  0: 'cat'\n  1: dog # not cat\n")


def _yolo_without_names(folder: Path) -> None:
    _yolo(folder)
    (folder / "data.yaml").unlink()


def _class_folders(folder: Path) -> None:
    draw = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for number, ending in enumerate((".png", ".jpg", ".png")):
            pixels = draw.integers(0, 256, (16, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}{ending}")


def _all_of(data: Data) -> object:
    """Every pixel and every target."""
    parts = [part for part in (data.train, data.validation, data.test) if part is not None]
    return [(np.asarray(part.inputs), part.targets[np.arange(len(part))], part.digest) for part in parts]


def _model(folder: Path) -> None:
    recipe = _tiny()
    network = build_network(recipe, IMAGE, 10)
    save_model(folder / "m.safetensors", network, model_notes(recipe, IMAGE, CLASSES, FRAMING))
    pixels = np.zeros(IMAGE[1:], np.uint8)
    pixels[5:23, 12:16] = 255
    Image.fromarray(pixels).save(folder / "ink.png")


def _read_model(folder: Path, victim: Path) -> object:
    model = open_model(victim)
    if model.image_shape[1:] == IMAGE[1:]:
        return guess(model, [folder / "ink.png"])
    return model


def _plain_weights(folder: Path) -> None:
    save_model(folder / "w.safetensors", Network(create("tiny-digits", 10), IMAGE))


def _checkpoint(folder: Path) -> None:
    trainer = build_trainer(_tiny(), _data())
    trainer.fit()
    save_checkpoint(folder / "c.safetensors", trainer)


def _read_checkpoint(folder: Path, victim: Path) -> object:
    trainer = build_trainer(_tiny(), _data())
    load_checkpoint(victim, trainer)
    if trainer.state.history:
        draw_curve(trainer.state.history[:3], trainer.state.trace[:9], trainer.task.primary)
    if trainer.state.epoch < 10:
        trainer.joined_metrics().result()
    return trainer


def _integers(folder: Path) -> None:
    recipe = _tiny()
    images = np.random.default_rng(0).random((8, *IMAGE), np.float32)
    shrunk = quantize(build_network(recipe, IMAGE, 10), images, 4)
    save_integer(folder / "int4.safetensors", shrunk, {**model_notes(recipe, IMAGE, CLASSES, FRAMING), "epochs": "0"})


def _read_integers(folder: Path, victim: Path) -> object:
    model, shrunk = open_any(victim), open_shrunk(victim)
    assert isinstance(model.network, IntegerNetwork)
    model.network.forward(np.zeros((1, *model.network.input_shape), np.float32))
    return export_c(shrunk.network, folder / "c", shrunk.class_names, mean=shrunk.mean, std=shrunk.std)


def _history(folder: Path) -> None:
    trainer = build_trainer(_tiny(), _data())
    trainer.callbacks = [History(folder / "history.jsonl", every=2)]
    trainer.fit()


def _read_history(folder: Path, victim: Path) -> object:
    found = read_history(victim)
    state = SimpleNamespace(step=3, history=[])
    history = History(victim)
    try:
        history.start(SimpleNamespace(communicator=SimpleNamespace(rank=0), state=state))  # type: ignore[arg-type]
    finally:
        history.end(None, finished=False)  # type: ignore[arg-type]
    return found


def _recipes(folder: Path) -> None:
    for name in ("deep-convnet", "fcn-scenes", "detector-scenes", "deep-convnet-classic"):
        (folder / f"{name}.toml").write_text(recipe_toml(load_recipe(name)))


def _used(recipe: Recipe) -> object:
    """All that a recipe's settings come to, before any image is read."""
    classes = 2 if recipe.task["name"] == "segment" else 10
    names = tuple(map(str, range(classes)))
    if recipe.data.scenes is not None:
        scenes = dict(recipe.data.scenes)
        counts = {part: scenes.pop(part) for part in ("train", "validation", "test") if part in scenes}
        settings = scene_settings(scenes.pop("preset", "m2nist"), **scenes)
        assert settings, counts
    task = build_task(recipe, names)
    network = build_network(recipe, (1, 32, 32), classes)
    return task, network, recipe_toml(recipe).encode(), load_recipe


def _read_recipe(folder: Path, victim: Path) -> object:
    return _used(load_recipe(victim))


def _setting(folder: Path) -> None:
    (folder / "one.setting").write_text("deep-convnet: optimizer.rate=0.01")


def _read_setting(folder: Path, victim: Path) -> object:
    text = victim.read_bytes().decode("utf-8", "surrogateescape")
    network, _, setting = text.partition(": ")
    key, _, value = setting.partition("=")
    first = {} if network == "deep-convnet" else {"network.name": network}
    return _used(load_recipe("deep-convnet", {**first, key: value}))


READERS = [
    Reader("book", _books, lambda folder, victim: read_book_parameters(victim)),
    Reader("idx", _idx_set, lambda folder, victim: _all_of(load_data(folder))),
    Reader("pictures", _pictures, _read_picture),
    Reader(
        "voc-boxes", _voc, lambda folder, victim: _all_of(load_boxed(folder, size=(32, 32))), (".xml", ".txt", ".png")
    ),
    Reader("voc-masks", _voc, lambda folder, victim: _all_of(load_masked(folder, size=(32, 32))), (".txt", ".png")),
    Reader("voc-lists", _voc, lambda folder, victim: read_voc(folder), (".txt",)),
    Reader(
        "coco", _coco, lambda folder, victim: _all_of(load_boxed(folder, size=(32, 32))), (".json", ".json", ".png")
    ),
    Reader(
        "yolo", _yolo, lambda folder, victim: _all_of(load_boxed(folder, size=(32, 32))), (".txt", ".yaml", ".png")
    ),
    Reader(
        "yolo-numbers",
        _yolo_without_names,
        lambda folder, victim: _all_of(load_boxed(folder, size=(32, 32))),
        (".txt",),
    ),
    Reader("folders", _class_folders, lambda folder, victim: _all_of(load_data(folder, (16, 16)))),
    Reader(
        "weights",
        _plain_weights,
        lambda folder, victim: load_model(victim, Network(create("tiny-digits", 10), IMAGE, seed=None)),
    ),
    Reader("model", _model, _read_model, (".safetensors",)),
    Reader("checkpoint", _checkpoint, _read_checkpoint),
    Reader("integers", _integers, _read_integers),
    Reader("history", _history, _read_history),
    Reader("recipe", _recipes, _read_recipe),
    Reader("setting", _setting, _read_setting),
    Reader("onnx", onnx_files.write_models, onnx_files.read),
]
