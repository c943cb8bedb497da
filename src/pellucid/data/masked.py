"""Images with a mask each, by name: scenes made of digits, or a folder of images and masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.arguments import checked_but
from pellucid.data.dataset import Dataset
from pellucid.data.formats.mask_folders import is_mask_folders, read_mask_folders
from pellucid.data.formats.voc import FOLDERS, is_voc, read_voc_parts
from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.data.layouts import listing
from pellucid.data.scenes import PRESETS, Scenes, make_scenes, scene_settings
from pellucid.data.sources import Data, holds_digits, load_data, with_validation
from pellucid.errors import PellucidError
from pellucid.files import path_of
from pellucid.ops.arrays import Pair

MOST_SCENES = 10_000_000
_COUNTS = {"train": 10_000, "validation": 1_000, "test": 1_000}


@checked_but("source")
def load_masked(
    source: str | Path = "mnist",
    scenes: Mapping[str, Any] | None = None,
    size: Pair | None = None,
    validation: float = 0,
    seed: int = 0,
    held_out: HeldOut | None = None,
    framing: Framing | None = None,
) -> Data:
    """The data of a VOC folder, or one of images and masks; or, where the source is none, scenes.

    source: the folder, or what the scenes' digits are, as for `load_data`. scenes: see `load_scenes`. size:
    (H, W) that a folder's images fit in, all given the same canvas; None for the largest's. validation: fraction
    or number of the training images (of the digits, for scenes) kept apart. seed: of that split and of the scenes.
    held_out: how the split is drawn; see HeldOut. framing: how a model sees pictures; by default as the data suggest.

    >>> data = pl.data.load_masked(scenes={"train": 2, "test": 1})
    >>> data.shape, data.train.targets.shape
    ((1, 64, 84), (2, 64, 84))
    """
    draw = held_out or HeldOut(seed)
    folder = path_of(source, "source")
    if folder.is_dir() and is_voc(folder):
        return _from_folder(read_voc_parts(folder, size, draw, framing), validation, draw)
    if folder.is_dir() and is_mask_folders(folder):
        return _from_folder(read_mask_folders(folder, size, draw, framing), validation, draw)
    if folder.is_dir() and (scenes is None or not holds_digits(folder)):
        named = "ImageSets/Segmentation/train.txt and val.txt"
        raise PellucidError(
            f"{folder}: expected the folders {', '.join(FOLDERS)}, or images and masks, or settings of scenes and "
            f"what they are made of; "
            f"{named} name the images; got {listing(folder)}"
        )
    (train, kept, test), lists = drawn_scenes(source, scenes, validation, seed, draw)
    return Data(train.segmentation(), kept.segmentation() if kept else None, test.segmentation(), lists)


SceneParts = tuple[Scenes, Scenes | None, Scenes]
"""Of training digits, of those kept apart for validation, and of test digits."""


@checked_but("source")
def load_scenes(
    source: str | Path = "mnist", scenes: Mapping[str, Any] | None = None, validation: float = 0, seed: int = 0
) -> SceneParts:
    """(train, validation or None, test): scenes of training digits, of those kept apart, and of test digits.

    source: what the digits are, as for `load_data`; validation, seed: how many training digits are kept apart for
    the validation's scenes, and what all is drawn by. scenes: `preset` and changes of its settings, see
    SceneSettings; `train`, `validation` and `test` are how many scenes there are of each.

    >>> train, validation, test = pl.data.load_scenes(scenes={"train": 2, "test": 1})
    >>> len(train.images), validation, len(test.images)
    (2, None, 1)
    """
    return drawn_scenes(source, scenes, validation, seed, HeldOut(seed))[0]


def drawn_scenes(
    source: str | Path, scenes: Mapping[str, Any] | None, validation: float, seed: int, held_out: HeldOut
) -> tuple[SceneParts, Mapping[str, tuple[str, ...]]]:
    """As `load_scenes`, and the lists of the digits that were held out; see Data."""
    given = dict(scenes or {})
    counts = {part: given.pop(part, count) for part, count in _COUNTS.items()}
    for part, count in counts.items():
        if type(count) is not int or not 0 < count <= MOST_SCENES:
            raise PellucidError(f"scenes: {part} = {count!r}: expected a number of scenes, 1 to {MOST_SCENES:,}")
    settings = scene_settings(given.pop("preset", next(iter(PRESETS))), **given)
    digits = load_data(source, None, validation, seed, held_out)

    def made(part: str, dataset: Dataset) -> Scenes:
        stream = seed * len(counts) + list(counts).index(part)  # no two parts share their random numbers
        return make_scenes(settings, dataset, counts[part], stream, f"{part} scenes of {dataset.name}")

    kept = made("validation", digits.validation) if digits.validation is not None else None
    return (made("train", digits.train), kept, made("test", digits.test)), digits.lists


def _from_folder(found: tuple[Mapping[str, Dataset], bool], validation: float, held_out: HeldOut) -> Data:
    """Of the data sets by part, with the list of the test images where these were drawn."""
    parts, drawn = found
    lists = {"test": parts["test"].keys or ()} if drawn else {}
    data = Data(parts["train"], parts.get("validation"), parts["test"], lists)
    return with_validation(data, validation, held_out)
