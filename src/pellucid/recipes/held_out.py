"""The list, in a run's folder, of the images that it held out of training, where the data don't say which."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pellucid.data.held_out import HeldOut
from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.recipes.schema import Recipe
from pellucid.training.folder import RunFolder

PARTS = ("validation", "test")


def held_out_json(recipe: Recipe, lists: Mapping[str, Sequence[str]]) -> bytes:
    """The file's content: which data, and of each part that was drawn the images."""
    content = {"source": recipe.data.source, "seed": recipe.data.seed, **{part: list(lists[part]) for part in lists}}
    return (json.dumps(content, indent=0) + "\n").encode()


def held_out_text(file: Path) -> bytes:
    """What a run's file says; nothing where there is none, as nothing was drawn, or the run is of version 0.1.

    Raises PellucidError for a file that is empty: taken for none, other images would be measured in silence.
    """
    if not file.exists():
        return b""
    text = read_whole(file)
    if not text.strip():
        raise PellucidError(f"{file}: damaged, expected lists of images by part, {' and '.join(PARTS)}")
    return text


def read_held_out(folder: Path, recipe: Recipe, *, before: bool) -> HeldOut:
    """What the folder of a run, or of a model's file, says; see `parse_held_out`."""
    file = RunFolder(folder).held_out
    return parse_held_out(held_out_text(file), file, recipe, before=before)


def parse_held_out(text: bytes, file: Path, recipe: Recipe, *, before: bool) -> HeldOut:
    """How a run's images were held out, by the file's text.

    before: whether the run is of version 0.1, which drew by the images' places and kept no list: so they are drawn
    again, and are the same as long as no file has come, gone or changed its name. Raises PellucidError, naming the
    file, where it is damaged.
    """
    if not text:
        return HeldOut(recipe.data.seed, by_position=before)
    try:
        content = json.loads(text)
        lists = {part: tuple(content[part]) for part in PARTS if part in content}
        sound = isinstance(content, dict) and all(isinstance(content[part], list) for part in lists)
        sound = sound and all(isinstance(key, str) for keys in lists.values() for key in keys)
    except (ValueError, TypeError, KeyError, RecursionError):
        sound = False
    if not sound:
        raise PellucidError(f"{file}: damaged, expected lists of images by part, {' and '.join(PARTS)}")
    return HeldOut(recipe.data.seed, lists)
