"""A file that stops decoding in mid-training, of data larger than memory: named, and the run goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import photographs
from pellucid import cli
from pellucid.recipes import open_model
from pellucid.training import Callback, Trainer
from pellucid.training.callbacks.history import read_history
from pellucid.training.callbacks.progress import Progress

PARTS = {"train": photographs.shots(2, 2), "val": photographs.shots(3)}
QUICK = ["--threads", "1", "--backend", "numpy", "--quiet"]
COMMON = ["--epochs", "2", "--batch-size", "4", *QUICK]
TIMES = {"seconds", "images_per_second"}
SIZE = "--set=data.size=[24,24]"


def classes(folder: Path) -> tuple[list[str], dict[str, Path]]:
    """(what to train, some files of it)."""
    source = photographs.class_folder(folder, {"train": PARTS["train"], "test": PARTS["val"]})
    files = {part: next((source / part / "disc").iterdir()) for part in ("train", "test")}
    return [f"{source}/", SIZE, "--set=network.widths=[4]"], files


def masks(folder: Path) -> tuple[list[str], dict[str, Path]]:
    source = photographs.masked_folder(folder, PARTS)
    images, masks = source / "JPEGImages", source / "SegmentationClass"
    files = {"train": _png(images, "train"), "test": _png(images, "val"), "mask": _png(masks, "train")}
    return ["fcn-scenes", "--data", str(source), SIZE, "--set=network.widths=[4,4]"], files


def boxes(folder: Path) -> tuple[list[str], dict[str, Path]]:
    source = photographs.boxed_folder(folder, PARTS)
    files = {"train": _png(source / "images", "train"), "test": _png(source / "images", "val")}
    small = ["network.stem=[4]", "network.shallow=[4]", "network.deep=[4]", "network.top=[4]"]
    return ["detector-scenes", "--data", str(source), SIZE, *(f"--set={change}" for change in small)], files


def _png(folder: Path, part: str) -> Path:
    return folder / f"{PARTS[part][0].name}.png"


Kind = Callable[[Path], tuple[list[str], dict[str, Path]]]


@pytest.mark.parametrize("gone", [False, True], ids=["cut off", "gone"])
@pytest.mark.parametrize(
    ("kind", "which"),
    [
        *((kind, part) for kind in (classes, masks, boxes) for part in ("train", "test")),
        (masks, "mask"),
    ],
)
def test_it_is_named_and_the_run_goes_on(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    which: str,
    gone: bool,
) -> None:
    for name in ("KEPT_BYTES", "READ_FIRST"):
        monkeypatch.setattr(f"pellucid.data.formats.image_files.{name}", 0)
    command, files = kind(tmp_path / "data")
    victim, run, other = files[which], tmp_path / "run", tmp_path / "whole"
    content = victim.read_bytes()
    assert cli.main(["train", *command, *COMMON, "--out", str(other)]) == 0

    def damage(self: Callback, trainer: Trainer, record: Any) -> None:
        victim.unlink() if gone else victim.write_bytes(content[: len(content) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "epoch", damage)
        capsys.readouterr()
        assert cli.main(["train", *command, *COMMON, "--out", str(run)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(victim) in said and "cannot be read as an image" in said
    assert said.endswith(f"; when it is back as it was: pellucid train --resume {run}\n")
    victim.write_bytes(content)
    assert cli.main(["train", "--resume", str(run), *QUICK]) == 0
    assert open_model(run).network.digest() == open_model(other).network.digest()
    assert measured(run) == measured(other)


def measured(run: Path) -> list[dict[str, Any]]:
    """What was found after each epoch, without how long it took."""
    records = read_history(run / "history.jsonl")
    return [{key: value for key, value in one.items() if key not in TIMES} for one in records]
