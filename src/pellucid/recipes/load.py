"""Reading recipes: those of the package by name, others by their file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import numpy as np

from pellucid.documents import check_values, parse_toml, utf8
from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.recipes.choices import listed, unknown, unknown_key
from pellucid.recipes.own_network import check_trust
from pellucid.recipes.schema import Recipe

DEFAULT = "deep-convnet"
RUN_RECIPE = "recipe.toml"  # as it lies in a run's folder


def list_recipes() -> dict[str, str]:
    """Description of each recipe of the package, by name."""
    return {name: load_recipe(name).description for name in _names()}


def _names() -> list[str]:
    files = resources.files("pellucid.recipes").iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def load_recipe(name_or_path: str | Path = DEFAULT, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe of the package by name, or that of a TOML file (or of a run folder), with some keys overridden.

    overrides: value by dotted key, such as {"optimizer.rate": 0.002}; a string is read as TOML where it is TOML,
    else as itself. Raises PellucidError that names the file and the key, and the nearest known one.
    """
    text, source = _read(name_or_path)
    return parse_recipe(text, source, overrides, own=Path(source).name != RUN_RECIPE)


def parse_recipe(text: str, source: str, overrides: Mapping[str, Any] | None = None, *, own: bool = False) -> Recipe:
    """A recipe's TOML text, as `load_recipe`. source: what messages call it.

    own: whether the caller's user wrote it, and not whoever made a run or a model's file; see `own_network`.
    """
    content = parse_toml(text, source)
    content.setdefault("name", Path(source).stem)
    try:
        for key, value in _names_first(overrides or {}):
            _override(content, key, _value(value))
        check_values(content, source)
        network = content.get("network")
        if isinstance(network, dict) and not own:
            check_trust(network.get("name"), source)
        return _recipe(content)
    except PellucidError as error:
        if str(error).startswith(f"{source}: "):
            raise
        raise PellucidError(f"{source}: {error}") from error


def _read(name_or_path: str | Path) -> tuple[str, str]:
    """Text of a recipe, and what messages call it."""
    if name_or_path in (names := _names()):
        return resources.files("pellucid.recipes").joinpath(f"{name_or_path}.toml").read_text("utf-8"), str(
            name_or_path
        )
    path = Path(name_or_path)
    if path.is_dir():
        path /= RUN_RECIPE
    if path.suffix != ".toml" and not path.exists():
        if path.name != str(name_or_path):
            raise PellucidError(f"{path}: no such file or folder, expected a recipe's name or file")
        from pellucid.zoo import NETWORKS

        if name_or_path in NETWORKS:
            how = f"expected --set network.name={name_or_path} behind one of {', '.join(names)}"
            raise PellucidError(f"{name_or_path} is a network, no recipe: {how}")
        raise unknown("recipe", str(name_or_path), names)
    return utf8(read_whole(path), str(path), "TOML"), str(path)


def _value(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    for text in (given, _as_toml(given), f"[{_as_toml(given)}]" if _LISTED.fullmatch(given) else given):
        try:
            return parse_toml(f"value = {text}", "value")["value"]
        except PellucidError:
            continue
    return given


_LISTED = re.compile(r"[-+.\deE_\s]+(,[-+.\deE_\s]+)+,?")  # 64,48 or .5, .5, .5


def _as_toml(text: str) -> str:
    """Lists and numbers as people write them, as TOML has them: (.5, 1.) is [0.5, 1.0]."""
    if text[:1] + text[-1:] == "()":
        text = f"[{text[1:-1]}]"
    text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    return re.sub(r"(?<=\d)\.(?![\w.])", ".0", text)


def _names_first(overrides: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """In their order, but names of choices before options, which are the new one's wherever they stand."""
    return sorted(overrides.items(), key=lambda item: not item[0].endswith(".name"))


def _override(content: dict[str, Any], key: str, value: Any) -> None:
    """Set content[a][b] for the key "a.b"; what may be none is dropped by that word. A new name of a choice drops the
    old one's options.
    """
    *sections, last = key.split(".")
    table = content
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise PellucidError(f"override {key}: {section} is no section")
    if value == "none" and type(None) in get_args(_kind(key)):
        table.pop(last, None)
        return
    if sections and last == "name" and table.get("name") != value:
        kept = {k: v for k, v in table.items() if k == "rate"}
        table.clear()
        table.update(kept)
    table[last] = value


def _recipe(content: dict[str, Any]) -> Recipe:
    from pellucid.recipes.check import check_choices

    _check_keys("", content, Recipe)
    recipe = _converted(_squares(content))
    check_choices(recipe)
    return recipe


def of_types(recipe: Recipe) -> Recipe:
    """A recipe that was made in Python, its numbers Python's own. Raises PellucidError for values of other types."""
    return _converted(msgspec.to_builtins(recipe, enc_hook=_builtin))


def _builtin(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, Path) else f"a {type(value).__name__}"


def _converted(content: Mapping[str, Any]) -> Recipe:
    try:
        return msgspec.convert(content, Recipe)
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        message, _, place = str(error).partition(" - at `$.")
        place = place.rstrip("`")
        if place in {"data.size", "crop.size"} or message.startswith("Expected `array"):
            form = "[height, width], such as [64, 48]" if place.endswith("size") else "a list, such as [0.5, 0.5]"
            raise PellucidError(f"{place} = {_at(content, place)!r}: expected {form}") from error
        raise PellucidError(
            f"{place}: {message[0].lower()}{message[1:]}{listed(_kind(place))}" if place else message
        ) from error


def _at(content: Mapping[str, Any], place: str) -> Any:
    """The value of a dotted key."""
    value: Any = content
    for key in place.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _kind(place: str) -> Any:
    """The type of a dotted key; None where there is none of that name."""
    kind: Any = Recipe
    for key in place.split("."):
        kind = get_type_hints(kind).get(key) if isinstance(kind, type) else None
    return kind


def _squares(content: dict[str, Any]) -> dict[str, Any]:
    """The content with a size that is one number, of a square, as height and width."""
    content = dict(content)
    for section in ("data", "crop"):
        table = content.get(section)
        if isinstance(table, dict) and isinstance(size := table.get("size"), int) and not isinstance(size, bool):
            content[section] = {**table, "size": [size, size]}
    return content


def _check_keys(section: str, content: Mapping[str, Any], kind: Any) -> None:
    """Refuse unknown keys of a section, and of those inside it."""
    known = get_type_hints(kind)
    for key, value in content.items():
        if key not in known:
            raise unknown_key(section, key, known)
        if isinstance(value, dict) and isinstance(known[key], type):
            _check_keys(f"{section}.{key}" if section else key, value, known[key])
