"""The segmentation task: measures by their definitions, tiles without seams, pictures."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pellucid.cli import main
from pellucid.errors import PellucidError
from pellucid.graph import Sequential, grid, unroll
from pellucid.layers import Conv2d, Flatten, Linear
from pellucid.network import Network
from pellucid.recipes import load_recipe, open_model, start_run
from pellucid.recipes.predict_masks import segment_files
from pellucid.task import Task
from pellucid.tasks.mask_pictures import mask_png, overlay, palette
from pellucid.tasks.segment import Segment
from pellucid.tasks.segmentation_metrics import SegmentationMetrics
from pellucid.tasks.tiles import TILE, fitting_tile, places, predicted, segment, spans
from pellucid.zoo import create

NAMES = ("background", "cat", "dog")
RNG = np.random.default_rng(2)


def test_measures_by_hand() -> None:
    metrics = SegmentationMetrics(NAMES, 255)
    labels = np.array([[0, 0, 0, 0, 1, 1, 255, 2]])
    guesses = np.array([[0, 0, 0, 1, 1, 0, 1, 2]])
    metrics.count(guesses[:, :3], labels[:, :3])
    metrics.count(guesses[:, 3:], labels[:, 3:])
    assert metrics.result() == pytest.approx(
        {
            "pixel_accuracy": 5 / 7,
            "mean_accuracy": (3 / 4 + 1 / 2 + 1) / 3,
            "mean_iou": (3 / 5 + 1 / 3 + 1) / 3,
            "frequency_weighted_iou": (4 * 3 / 5 + 2 / 3 + 1) / 7,
        }
    )
    assert [(c.name, c.accuracy, c.pixels) for c in metrics.per_class()] == [
        ("background", 0.75, 4),
        ("cat", 0.5, 2),
        ("dog", 1.0, 1),
    ]


def test_classes_that_do_not_occur_take_no_part() -> None:
    metrics = SegmentationMetrics(NAMES, None)
    assert np.isnan(list(metrics.result().values())).all()
    metrics.count(np.array([0, 0, 1]), np.array([0, 0, 0]))
    assert metrics.result()["mean_accuracy"] == pytest.approx(2 / 3)
    assert metrics.result()["mean_iou"] == pytest.approx((2 / 3 + 0) / 2)
    assert np.isnan(metrics.per_class()[2].iou)


@settings(max_examples=15, deadline=None)
@given(parts=st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_parts_join(parts: list[int]) -> None:
    task = Segment(NAMES)
    whole, joined = task.metrics(), task.metrics()
    for n in parts:
        logits, labels = RNG.standard_normal((n, 3, 5, 4)), RNG.choice([0, 1, 2, 255], (n, 5, 4))
        whole.update(logits, labels)
        part = task.metrics()
        part.update(logits, labels)
        joined.merge(part.state())
    np.testing.assert_equal(joined.result(), whole.result())
    assert whole.confusion.sum() == sum(c.pixels for c in whole.per_class())


def test_ignored_pixels_and_class_weights() -> None:
    task: Task = Segment(NAMES, class_weights=(1.0, 2.0, 3.0))
    logits = RNG.standard_normal((2, 3, 4, 4))
    labels = RNG.choice(np.array([0, 1, 2, 255], np.uint8), (2, 4, 4))
    total = task.count(logits, labels)
    weights = np.array([1.0, 2.0, 3.0])
    assert total == pytest.approx(sum(weights[k] for k in labels[labels != 255]))
    loss, gradient = task.loss(logits, labels, total)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    n, i, j = np.nonzero(labels != 255)
    k = labels[n, i, j]
    assert loss == pytest.approx(-(weights[k] * log_p[n, k, i, j]).sum() / total[0])
    assert not gradient.transpose(0, 2, 3, 1)[labels == 255].any()
    halves = [task.loss(logits[s], labels[s], total)[0] for s in (slice(1), slice(1, 2))]
    assert sum(halves) == pytest.approx(loss)


@pytest.mark.parametrize("name", ["fcn-small", "fcn8", "fcn32"])
def test_tiles_are_as_the_whole(name: str) -> None:
    network = Network(create(name, 3), (1, 64, 64), dtype=np.float64, seed=4)
    network.vector += 0.05 * RNG.standard_normal(network.vector.size)
    image = RNG.random((1, 203, 157))
    whole = network.forward(image[None])[0]
    count = 0
    for rows, columns, logits in predicted(network, image, tile=120):
        np.testing.assert_allclose(logits, whole[:, rows, columns], rtol=1e-8, atol=1e-10)
        count += 1
    assert count > 4
    np.testing.assert_array_equal(segment(network, image, 120), whole.argmax(axis=0))


@pytest.mark.parametrize("name", ["unet-pyramid", "detector-pyramid", "detector-small"])
def test_places_by_tiles_are_as_the_whole(name: str) -> None:
    """Also of networks that see about a thousand pixels: the tile is then as large as makes half of it of use."""
    options: dict[str, object] = {"backbone_width": 0.1} if "pyramid" in name else {"deep": [8, 8]}
    network = Network(create(name, 3, **options), (3, 64, 64), seed=4)
    network.vector += (0.05 * RNG.standard_normal(network.vector.size)).astype(np.float32)
    twin = network.astype(np.float64)
    tile = fitting_tile(network.nodes, (3, 64, 2048))
    assert tile == TILE if name == "detector-small" else TILE < tile <= 3 * TILE
    rows, _ = grid(network.nodes)
    size = (64, tile + 256) if "pyramid" in name else (64, 360)
    image = RNG.random((3, *size))
    whole = twin.forward(image[None])[0]
    used = tile if "pyramid" in name else 160
    np.testing.assert_allclose(places(twin, image, used), whole, rtol=1e-8, atol=1e-9)
    assert len(spans(size[1], used, rows)) > 1


@settings(max_examples=50, deadline=None)
@given(size=st.integers(8, 900), tile=st.integers(120, 400))
def test_spans_want_each_pixel_once(size: int, tile: int) -> None:
    axis = grid(unroll(create("fcn-small", 3)))[0]
    found = spans(size, tile, axis)
    wanted = [pixel for span in found for pixel in range(span.first, span.last)]
    assert wanted == list(range(size))
    for span in found:
        assert span.end - span.start <= tile and span.start % axis.period == 0
        assert span.start == 0 or span.first - span.start >= axis.reach
        assert span.end == size or span.end - span.last >= axis.reach


@pytest.mark.parametrize(
    ("layer", "image", "tile", "message"),
    [
        (create("fcn-small", 3), (1, 7, 40), 500, "7x40 pixels: expected a side of at least 8, the network's stride"),
        (create("fcn-small", 3), (1, 99, 99), 60, "tile = 60: expected at least 120, by what the network sees"),
        (Sequential(Flatten(), Linear(3)), (1, 8, 8), 60, "expected one that classifies each pixel"),
        (Conv2d(3, 3), (1, 8, 8), 60, "expected one that classifies each pixel"),
    ],
)
def test_what_cannot_be_tiled(layer: object, image: tuple[int, int, int], tile: int, message: str) -> None:
    network = Network(layer, (1, 8, 8))  # type: ignore[arg-type]
    with pytest.raises(PellucidError, match=message):
        list(predicted(network, np.zeros(image, np.float32), tile))


def test_mask_png_keeps_the_classes() -> None:
    mask = RNG.choice(np.array([0, 1, 2, 255], np.uint8), (13, 17))
    picture = Image.open(io.BytesIO(mask_png(mask, 3)))
    assert picture.mode == "P"
    np.testing.assert_array_equal(np.asarray(picture), mask)
    colours = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(colours[mask == 1], np.broadcast_to(palette(3)[1], colours[mask == 1].shape))


def test_palette_tells_classes_apart() -> None:
    for classes in (2, 11, 21, 60):
        colours = palette(classes).astype(int)
        far = np.abs(colours[:, None] - colours[None]).max(axis=2) + 255 * np.eye(classes, dtype=int)
        assert colours.shape == (classes, 3) and far.min() >= (17 if classes <= 21 else 2)


def test_overlay_leaves_the_background_and_colours_the_rest() -> None:
    image = RNG.integers(0, 256, (1, 320, 640)).astype(np.uint8)
    mask = np.zeros((320, 640), np.uint8)
    mask[200:280, 300:420] = 2
    pixels = np.asarray(overlay(image, mask, NAMES)).astype(int)
    np.testing.assert_array_equal(pixels[:150, :640], image[0, :150, :, None].repeat(3, axis=2))
    expected = 0.35 * image[0, 230:270, 310:410, None] + 0.65 * palette(3)[2]
    np.testing.assert_allclose(pixels[230:270, 310:410], expected, atol=1)
    assert pixels.shape[1] > 640


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has hardly learnt anything."""
    changes = {"data.scenes": {"train": 16, "test": 8}, "training.batch_size": 8, "network.widths": [4, 6, 8]}
    trainer, folder = start_run(load_recipe("fcn-scenes", changes), tmp_path_factory.mktemp("runs") / "run")
    assert trainer.fit()
    return folder.path


def test_files_of_any_size(run: Path, tmp_path: Path) -> None:
    sizes = {"a": (31, 45), "b": (400, 90)}
    for name, (H, W) in sizes.items():
        Image.fromarray(RNG.integers(0, 256, (H, W), np.uint8)).save(tmp_path / f"{name}.png")
    paths = [tmp_path / f"{name}.png" for name in sizes]
    model = open_model(run)
    found = list(segment_files(model, paths, tmp_path / "out", tile=160))
    for result, (H, W) in zip(found, sizes.values(), strict=True):
        mask = np.asarray(Image.open(result.mask))
        assert mask.shape == (H, W) and mask.max() < 11
        assert sum(result.shares.values()) == pytest.approx(1)
        assert Image.open(result.overlay).width > W
    x = np.asarray(Image.open(paths[1]), np.float32)[None, None] / 255
    np.testing.assert_array_equal(np.asarray(Image.open(found[1].mask)), model.network.forward(x)[0].argmax(axis=0))


def test_files_that_cannot_be_segmented_are_named(run: Path, tmp_path: Path) -> None:
    model = open_model(run)
    Image.new("L", (50, 3)).save(tmp_path / "thin.png")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "other").mkdir()
    for path in (tmp_path / "same.png", tmp_path / "other/same.png"):
        Image.new("L", (50, 30)).save(path)
    for names, message in (
        (["same.png", "thin.png"], "thin.png: 3x50 pixels, smaller than the network's stride, 4x4"),
        (["text.png"], "text.png: not an image"),
    ):
        with pytest.raises(PellucidError, match=message):
            list(segment_files(model, [tmp_path / name for name in names], tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    unread: list[str] = []
    paths = [tmp_path / name for name in ("same.png", "thin.png", "other/same.png", "broken.png")]
    paths[3].write_bytes(paths[0].read_bytes()[:45] + bytes(10) + paths[0].read_bytes()[55:])
    found = list(segment_files(model, paths, tmp_path / "out", unread=unread))
    assert [file.mask.name for file in found] == ["tmp-same.png-mask.png".replace("tmp", tmp_path.name),
                                                  "other-same.png-mask.png"]  # fmt: skip
    assert [error.partition(": ")[0] for error in unread] == [str(paths[1]), str(paths[3])]


def test_commands(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands are those for digits; the run's task decides what they show and write."""
    assert main(["evaluate", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "mean_iou" in shown and "background" in shown
    Image.new("L", (40, 30)).save(tmp_path / "scene.png")
    assert main(["predict", str(run), str(tmp_path / "scene.png"), "--out", str(tmp_path)]) == 0
    assert Image.open(tmp_path / "scene-mask.png").size == (40, 30)
    assert main(["predict", str(run), str(tmp_path / "scene.png"), "--json"]) == 0
    assert (run / "predictions" / "scene-overlay.png").exists()


def test_mistakes_are_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (2, 30)).save(tmp_path / "thin.png")
    for name in ("SegmentationClass", "ImageSets/Segmentation", "JPEGImages"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/train.txt").touch()
    (tmp_path / "damaged").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("L", (50, 30)).save(tmp_path / "damaged" / name)
        content = (tmp_path / "damaged" / name).read_bytes()
        (tmp_path / "damaged" / name).write_bytes(content[:45] + bytes(10) + content[55:])
    for arguments, message in (
        (["predict", str(run), str(tmp_path / "thin.png")], "thin.png: 30x2 pixels, smaller than the network"),
        (["predict", str(run), str(tmp_path / "damaged")], "none of 2 files can be read: "),
        (["train", "fcn-scenes", "--data", str(tmp_path)], "train.txt: the list is empty"),
        (["train", "fcn-scenes", "--set", "data.scenes.digts=[1,2]"], "unknown setting 'digts' (nearest: digits)"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and message in said, said
