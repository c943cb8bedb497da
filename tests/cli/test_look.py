"""`pellucid look`: pictures as a network will see them, and which files are doubtful."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import cli
from pellucid.data import Dataset
from pellucid.data.doubtful import Listed, doubtful, looked_at, unreadable
from pellucid.recipes import build_loader, load_recipe
from pellucid.recipes.look import _caption, _mixed_with, _per_class, contact_sheet
from small_runs import one_thread_of_numpy


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


def write(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)).save(path)
    return path


def test_doubtful_files_are_named_the_worst_first(tmp_path: Path) -> None:
    files = [
        Listed(write(tmp_path / "train" / "a" / "0.png", 0), "train", "a"),
        Listed(write(tmp_path / "train" / "a" / "1.bmp", 1), "train", "a"),
        Listed(write(tmp_path / "train" / "a" / "again.bmp", 0), "train", "a"),
        Listed(write(tmp_path / "test" / "b" / "other.tif", 1), "test", "b"),
        Listed(write(tmp_path / "test" / "b" / "tiny.png", 2, (9, 30)), "test", "b"),
        Listed(write(tmp_path / "test" / "b" / "long.png", 3, (16, 200)), "test", "b"),
        Listed(tmp_path / "test" / "b" / "grey.png", "test", "b"),
    ]
    Image.new("L", (50, 50), 7).save(files[-1].file)
    looks = looked_at([one.file for one in files])
    assert unreadable(looks) == []
    assert [(doubt.file.name, doubt.why) for doubt in doubtful(files, looks, tmp_path)] == [
        ("other.tif", "the same picture as train/a/1.bmp: part test, that one train, class b, that one a"),
        ("again.bmp", "the same picture as train/a/0.png"),
        ("tiny.png", "tiny: 9x30 pixels"),
        ("long.png", "a sliver: 16x200 pixels"),
        ("grey.png", "of one shade all over"),
    ]


def test_a_file_cut_off_is_found(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.jpg", 0, (200, 200)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (bad,) = unreadable(looked_at(sorted(tmp_path.glob("*.jpg"))))
    assert bad.file.name == "cut.jpg"


def test_the_sheet_shows_what_the_network_sees() -> None:
    images = np.zeros((2, 3, 32, 32), np.uint8)
    images[0, :, 8:24, 8:24], images[1, 1] = 200, 100
    dataset = Dataset(images, np.array([0, 1]), ("square", "green"), "two")
    recipe = load_recipe("pictures", {"data.mean": [0.5] * 3, "data.std": [0.25] * 3})
    file = contact_sheet(recipe, dataset, 8)

    sheet = np.asarray(Image.open(io.BytesIO(file)))
    views = sheet[6 : 6 + 128, 6 : 6 + 3 * 128].reshape(128, 3, 128, 3).transpose(1, 0, 2, 3)
    expected = images[0].repeat(4, axis=1).repeat(4, axis=2).transpose(1, 2, 0)
    np.testing.assert_allclose(views[0], expected, atol=1)
    assert (np.abs(views[1].astype(int) - expected).max() > 50) and (views[1] != views[2]).any()


def test_what_a_picture_is_mixed_with_stands_below_it() -> None:
    dataset = Dataset(np.zeros((4, 1, 28, 28), np.uint8), np.array([0, 0, 1, 1]), ("ant", "bee"), "shots")
    recipe = load_recipe("deep-convnet", {"colours.mixup": 1.0})
    moving = replace(build_loader(recipe, dataset, training=True), shuffle=False, batch_size=4)
    views = [next(moving.epoch(epoch)) for epoch in range(2)]
    shares = [100 * (1 - view.targets.share) for view in views]
    assert min(shares) > 1
    assert _mixed_with(dataset, views, 0) == f" (with bee {shares[0]:.0f} %, bee {shares[1]:.0f} %)"
    assert _mixed_with(dataset, views, 3) == f" (with ant {shares[0]:.0f} %, ant {shares[1]:.0f} %)"
    assert _mixed_with(dataset, [next(replace(moving, colours=None).epoch(0))], 0) == ""


def test_the_command_counts_names_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for label in ("ant", "bee"):
        for number in range(6):
            write(tmp_path / "photos" / label / f"{number}.png", 10 * ord(label[0]) + number)
    (tmp_path / "photos" / "bee" / "copy.png").write_bytes((tmp_path / "photos" / "ant" / "0.png").read_bytes())
    assert cli.main(["look", "photos"]) == 0
    said = capsys.readouterr().out
    assert "photos: 13 pictures" in said and "ant        5     1" in said
    assert "bee/copy.png: the same picture as" in said or "ant/0.png: the same picture as" in said
    assert Image.open("look/look.png").width > 3 * 128
    page = Path("look/look.html").read_text()
    assert "Doubtful files: 1" in page and "data:image/png;base64" in page
    (tmp_path / "photos" / "bee" / "bad.jpg").write_text("no picture")
    assert cli.main(["look", "photos/"]) == 1
    assert "bee/bad.jpg: not an image" in capsys.readouterr().out
    assert cli.main(["look", "photoz/"]) == 2


def test_labels_are_counted_each_and_stand_below_the_pictures(tmp_path: Path) -> None:
    images = np.zeros((3, 3, 8, 8), np.uint8)
    targets = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], np.uint8)
    dataset = Dataset(images, targets, ("red", "round", "ripe"), "fruit", keys=("a.png", "b.png", "c.png"))
    assert _per_class(dataset).tolist() == [1, 2, 0]
    assert [_caption(dataset, i) for i in range(3)] == ["red, round", "round", "no label"]
    assert _caption(Dataset(images, np.array([0, 2, 1]), dataset.class_names, "fruit"), 1) == "ripe"
