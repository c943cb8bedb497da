"""Images with a mask each, by name: scenes made of digits, or a folder in the layout of PASCAL VOC."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.data.dataset import Dataset
from pellucid.data.formats.voc import FOLDERS, is_voc, read_voc
from pellucid.data.scenes import PRESETS, Scenes, make_scenes, scene_settings
from pellucid.data.sources import Data, load_data
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Pair

MOST_SCENES = 10_000_000
_COUNTS = {"train": 10_000, "validation": 1_000, "test": 1_000}


def load_masked(
    source: str | Path = "mnist",
    scenes: Mapping[str, Any] | None = None,
    size: Pair | None = None,
    validation: float = 0,
    seed: int = 0,
) -> Data:
    """The data of a VOC folder; or, where the source is none, scenes.

    source: the VOC folder, or what the scenes' digits are, as for `load_data`. scenes: see `load_scenes`. size:
    (H, W) that a VOC folder's images fit in, all given the same canvas; None for the largest's. validation: fraction
    or number of the training images (of the digits, for scenes) kept apart. seed: of that split and of the scenes.
    """
    folder = Path(source)
    if folder.is_dir() and is_voc(folder):
        return _voc(folder, size, validation, seed)
    if scenes is None and folder.is_dir():
        raise PellucidError(f"{folder}: expected the folders {', '.join(FOLDERS)}, or settings of scenes")
    train, held_out, test = load_scenes(source, scenes, validation, seed)
    return Data(train.segmentation(), held_out.segmentation() if held_out else None, test.segmentation())


def load_scenes(
    source: str | Path = "mnist", scenes: Mapping[str, Any] | None = None, validation: float = 0, seed: int = 0
) -> tuple[Scenes, Scenes | None, Scenes]:
    """(train, validation or None, test): scenes of training digits, of those kept apart, and of test digits.

    scenes: `preset` and changes of its settings, see SceneSettings; `train`, `validation` and `test` are how many
    scenes there are of each.
    """
    given = dict(scenes or {})
    counts = {part: given.pop(part, count) for part, count in _COUNTS.items()}
    for part, count in counts.items():
        if type(count) is not int or not 0 < count <= MOST_SCENES:
            raise PellucidError(f"scenes: {part} = {count!r}: expected a number of scenes, 1 to {MOST_SCENES:,}")
    settings = scene_settings(given.pop("preset", next(iter(PRESETS))), **given)
    digits = load_data(source, None, validation, seed)

    def made(part: str, dataset: Dataset) -> Scenes:
        stream = seed * len(counts) + list(counts).index(part)  # no two parts share their random numbers
        return make_scenes(settings, dataset, counts[part], stream, f"{part} scenes of {dataset.name}")

    held_out = made("validation", digits.validation) if digits.validation is not None else None
    return made("train", digits.train), held_out, made("test", digits.test)


def _voc(folder: Path, size: Pair | None, validation: float, seed: int) -> Data:
    """The lists train and val, and test where there is one; else val is what is reported."""
    lists = folder / "ImageSets" / "Segmentation"
    own_test = (lists / "test.txt").exists()
    train, val, *rest = read_voc(folder, size, parts=("train", "val", *(["test"] if own_test else [])))
    test, kept = (rest[0], val) if own_test else (val, None)
    if validation:
        train, kept = train.split(validation, seed)
    return Data(train, kept, test)
