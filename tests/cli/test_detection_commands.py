"""What the commands make of a detector: trained, measured, shown; and one line for a mistake."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from box_folders import coco_folder, voc_folder
from pellucid.cli import main
from pellucid.data import load_scenes
from pellucid.data.framing import Framed
from pellucid.ops.arrays import Array
from pellucid.recipes import load_recipe, open_model, resume_run, start_run
from pellucid.recipes.explain import explain_files
from pellucid.recipes.predict_boxes import Detector, detect_files
from pellucid.tasks.box_pictures import draw_boxes
from pellucid.tasks.mask_pictures import palette
from pellucid.training import Callback, Trainer

RNG = np.random.default_rng(7)
SMALL = {
    "network.stem": [16],
    "network.shallow": [16],
    "network.deep": [16],
    "network.top": [16],
    "data.scenes": {"train": 32, "test": 16, "digits": [1, 4]},
    "training.batch_size": 8,
    "training.epochs": 10,
    "training.ema": 0.5,
    "optimizer.rate": 0.01,
    "task.least_score": 0.02,
    "task.shown_score": 0.05,
    "task.training_images": 8,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt a little."""
    trainer, folder = start_run(load_recipe("detector-scenes", SMALL), tmp_path_factory.mktemp("runs") / "run")
    trainer.evaluations = {}
    assert trainer.fit()
    return folder.path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Scenes as files: the second one cut, so that no side is a multiple of the network's strides."""
    images = load_scenes("mnist", {"preset": "detection", "train": 1, "test": 3})[2].images[:, 0]
    paths = [tmp_path / f"{name}.png" for name in ("000042", "cut", "scene")]
    for path, image, (H, W) in zip(paths, images, ((128, 128), (97, 110), (128, 128)), strict=True):
        Image.fromarray(image[:H, :W]).save(path)
    return paths


def test_a_large_image_by_tiles_has_what_the_whole_has_and_nothing_twice(run: Path) -> None:
    model = open_model(run)
    scenes = load_scenes("mnist", {"preset": "detection", "train": 1, "test": 12})[2].images
    H, W = scenes.shape[2:]
    pixels = scenes.reshape(3, 4, H, W).transpose(0, 2, 1, 3).reshape(1, 3 * H, 4 * W)[:, :-5]
    image = Framed(pixels, pixels.shape[1:], pixels.shape[1:])
    (whole,), (tiled,) = Detector(model, tile=10_000)([image]), Detector(model, tile=200)([image])
    assert len(whole) == len(tiled) > model.task.most / 2  # type: ignore[attr-defined]
    np.testing.assert_allclose(whole.scores, tiled.scores, atol=1e-5)
    same = whole.labels[:, None] == tiled.labels  # those of nearly one score may have changed places
    same &= np.abs(whole.scores[:, None] - tiled.scores) < 1e-5
    same &= np.abs(whole.boxes[:, None] - tiled.boxes).max(axis=2) < 1e-2
    assert (same.sum(axis=0) == 1).all() and (same.sum(axis=1) == 1).all()


def test_a_report_has_each_class_s_curve(run: Path) -> None:
    assert main(["evaluate", str(run), "--report"]) == 0
    page = (run / "report.html").read_text()
    assert "Precision and recall by class, at an IoU of 0.5" in page and "<td>9</td>" in page


def test_explanations_cover_the_image_s_own_part(run: Path, files: list[Path], tmp_path: Path) -> None:
    model = open_model(run)
    for file, (H, W) in zip(
        explain_files(model, files[:2], tmp_path / "out", side=32), ((128, 128), (97, 110)), strict=True
    ):
        assert file.layer.startswith("levels.deep")
        assert file.maps["occlusion"].shape == (H, W)
        assert file.maps["grad-cam"].shape == (round(H / 8), round(W / 8))
        assert file.picture.exists()


def test_what_is_found_does_not_depend_on_the_others(run: Path, files: list[Path], tmp_path: Path) -> None:
    model = open_model(run)
    detector = Detector(model)
    together = list(detect_files(model, files, tmp_path / "out"))
    assert sum(len(file.found) for file in together) > 5
    for file, path in zip(together, files, strict=True):
        pixels = np.asarray(Image.open(path))
        (alone,) = detector([model.framing.read(path)])
        assert alone.labels.tolist() == file.found.labels.tolist()
        np.testing.assert_allclose(alone.boxes, file.found.boxes, atol=0.05)
        np.testing.assert_allclose(alone.scores, file.found.scores, atol=1e-3)
        H, W = pixels.shape
        assert (file.found.boxes <= [W, H, W, H]).all() and (file.found.boxes >= 0).all()
        assert Image.open(file.picture).width >= 640 and (file.shown.scores >= 0.05).all()


def test_a_large_photograph_is_drawn_on_smaller(run: Path, files: list[Path], tmp_path: Path) -> None:
    """Its boxes are its own; those of the picture lie where the objects are in the picture."""
    scene, large = np.asarray(Image.open(files[0])), np.zeros((128, 1700), np.uint8)
    large[:, 1500:1628] = scene
    Image.fromarray(large).save(tmp_path / "large.png")
    (file,) = detect_files(open_model(run), [tmp_path / "large.png"], tmp_path / "out")
    with Image.open(file.picture) as drawn:
        pixels = np.asarray(drawn)
    assert pixels.shape == (64, 850, 3) and file.shown.boxes[:, 2].max() > 1000
    coloured = pixels.max(axis=2) > pixels.min(axis=2)
    lines = []
    for x0, y0, x1, y1 in (file.shown.boxes / 2).astype(int):
        lines += [coloured[min(y0 + 1, 63), x0:x1], coloured[y0:y1, min(x0 + 1, 849)]]
    assert np.mean([line.mean() for line in lines]) > 0.9  # names stand over some


def test_folded_network_finds_what_the_trained_one_does(run: Path) -> None:
    model = open_model(run)
    images = RNG.integers(0, 256, (2, 1, 64, 64)).astype(np.uint8)
    x = images.astype(np.float32) / 255
    folded, trained = Detector(model).network.forward(x), model.network.forward(x)
    np.testing.assert_allclose(folded, trained, atol=1e-3)


def test_commands(run: Path, files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "map50" in shown and "16 images" in shown and "boxes" in shown
    assert main(["evaluate", str(run), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert 0 <= measured["map"] <= measured["map50"] <= 1 and len(measured["classes"]) == 10
    assert main(["predict", str(run), *map(str, files), "--out", str(tmp_path / "out")]) == 0
    assert "cut-boxes.png" in capsys.readouterr().out
    assert Image.open(tmp_path / "out" / "cut-boxes.png").size == (660, 582)  # six times as large
    assert main(["predict", str(run), *map(str, files), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["image_id"] for row in rows} <= {42, 2, 3} and rows
    for row in rows:
        assert 1 <= row["category_id"] <= 10 and row["category"] == str(row["category_id"] - 1)
        assert len(row["bbox"]) == 4 and min(row["bbox"]) >= 0 and 0 < row["score"] <= 1
    scores = sorted(row["score"] for row in rows)  # of five places: the limit is far from any of them
    below, above = max(pairwise(scores[len(scores) // 4 : -len(scores) // 4]), key=lambda two: two[1] - two[0])
    middle = (below + above) / 2
    assert main(["predict", str(run), *map(str, files), "--json", "--score", str(middle)]) == 0
    surer = json.loads(capsys.readouterr().out)
    assert surer == [row for row in rows if row["score"] >= middle]


class StopAfter(Callback):
    """Asks to stop after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def step(self, trainer: Trainer, loss: float) -> None:
        trainer.stopped = trainer.state.step >= self.steps


def test_a_run_goes_on_as_if_it_had_not_stopped(run: Path, tmp_path: Path) -> None:
    recipe = load_recipe("detector-scenes", SMALL | {"training.epochs": 2, "training.checkpoint_seconds": 0})
    whole, _ = start_run(recipe, tmp_path / "whole")
    assert whole.fit()
    part, folder = start_run(recipe, tmp_path / "part")
    part.callbacks = [*part.callbacks, StopAfter(4)]
    assert not part.fit()
    rest, _ = resume_run(folder.path)
    assert rest.fit()
    assert rest.network.digest() == whole.network.digest()
    assert rest.state.history[-1]["test"] == whole.state.history[-1]["test"]


@pytest.mark.parametrize("make", [voc_folder, coco_folder])
def test_a_folder_in_colour_is_trained_on(
    make: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path / "data")
    common = ["--out", str(tmp_path / "run"), "--epochs", "1", "--batch-size", "2", "--set", "network.deep=[16]"]
    crop = ["--set", "crop.scale=[0.8,1.2]", "--set", "crop.flip=0.5", "--set", "augmentation.shift=2"]
    assert main(["train", "detector-scenes", "--data", str(folder), *common, *crop]) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--json"]) == 0
    assert '"map"' in capsys.readouterr().out
    assert main(["summary", str(tmp_path / "run")]) == 0
    assert "PriorConv2d" in capsys.readouterr().out


def test_boxes_are_drawn_where_they_are() -> None:
    image = RNG.integers(0, 256, (1, 320, 640)).astype(np.uint8)
    boxes = np.array([[100, 120, 220, 300], [400, 0, 640, 50.0]])
    drawn = draw_boxes(image, boxes, np.array([1, 0]), ("cat", "dog"), np.array([0.9, 0.5]), np.array([False, True]))
    pixels = np.asarray(drawn)
    assert pixels.shape == (320, 640, 3)
    colour = palette(3)[2]
    assert (pixels[299, 110:210] == colour).all() and (pixels[130:290, 219] == colour).all()
    inside: Array = pixels[125:295, 105:215]
    np.testing.assert_array_equal(inside, np.broadcast_to(image[0, 125:295, 105:215, None], inside.shape))
    broken = (pixels[49, 400:640] == palette(3)[1]).all(axis=1)
    assert 0.3 < broken.mean() < 0.7


def test_mistakes_are_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "damaged").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (50, 30)).save(tmp_path / "damaged" / name)
        content = (tmp_path / "damaged" / name).read_bytes()
        (tmp_path / "damaged" / name).write_bytes(content[:45] + bytes(10) + content[55:])
    few = ["train", "detector-scenes", "--set", "data.scenes={train=2,test=1}", "--out", str(tmp_path / "new")]
    for arguments, message in (
        (["predict", str(run), str(tmp_path / "text.png")], "text.png: not an image"),
        (["predict", str(run), str(tmp_path / "none.png")], "none.png"),
        (["predict", str(run), str(tmp_path / "damaged")], "none of 2 files can be read: "),
        (["predict", str(run), str(tmp_path / "none.png"), "--score", "2"], "expected a number from 0 to 1, got 2"),
        (["train", "detector-scenes", "--set", "task.box_loss=ciou"], "task.box_loss = 'ciou'"),
        (
            ["train", "detector-scenes", "--set", "task.nms=0.5"],
            "'task.nms' for detect: did you mean task.nms_iou?",
        ),
        (["train", "detector-scenes", "--set", "data.boxes=drop"], "data.boxes: invalid enum value 'drop'"),
        ([*few, "--set", "task.stride=8"], "stride = 8, images of 128x128 pixels: expected maps of 16x16 places"),
        (
            [*few, "--set", "network.name=fcn-small"],
            "expected maps of 10 classes + 5 channels, the network gives 10x",
        ),
        ([*few, "--set", "data.scenes.size=[100,100]"], "layer levels.add (Add): expected inputs of one shape"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and message in said, said
    assert not (tmp_path / "new").exists()
