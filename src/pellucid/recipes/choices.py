"""Making what a recipe chooses by name, with errors that name the key."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from pellucid.errors import PellucidError

Made = TypeVar("Made")
LONGEST_NAME = 100  # characters; finding the nearest takes time that grows with their square
MOST_ENTRIES = 1000  # of a list among the options
MOST = 1e9  # what any number among the options may be


def unknown(kind: str, name: object, known: Iterable[str]) -> PellucidError:
    """The error for a name that isn't among the known ones; it says which of them is nearest."""
    names, text = list(known), str(name).rpartition(".")[2] if kind == "key" else str(name)
    near = difflib.get_close_matches(text, names, 1, 0.4) if len(text) <= LONGEST_NAME else []
    hint = f"; nearest is {near[0]}" if near else ""
    return PellucidError(f"unknown {kind} {name!r}{hint} (there are {', '.join(names)})")


def unknown_key(section: str, key: str, known: Iterable[str], of: str = "") -> PellucidError:
    """As `unknown`, of a section's key ("" for the recipe's own): it may be another section's, or another word.

    of: what the section has chosen, whose keys they are.
    """
    from pellucid.recipes.near_keys import meant

    names, whole = list(known), f"{section}.{key}" if section else key
    near = len(key) > LONGEST_NAME or difflib.get_close_matches(key, names, 1, 0.75)
    if not near and (found := meant(whole)):
        behind = f" for {of}" if of else ""
        return PellucidError(f"unknown key {whole!r}{behind}: did you mean {' or '.join(found)}?")
    return unknown(f"key {whole} for {of}" if of else "key", key if of else whole, names)


def check_choice(
    section: str, choice: Mapping[str, Any], known: Mapping[str, Callable[..., Any]], given: int
) -> None:
    """Check that a section's name is a known one, and its options are arguments of that one, of their types.

    given: how many leading arguments don't come from the recipe.
    """
    if "name" not in choice:
        raise PellucidError(f"[{section}] has no name: expected one of {', '.join(known)}")
    name = choice["name"]
    if not isinstance(name, str):
        raise PellucidError(f"{section}.name = {name!r}: expected one of {', '.join(known)}")
    if name not in known:
        raise unknown(f"{section}.name", name, known)
    maker = known[name]
    try:
        parameters = list(inspect.signature(maker, eval_str=True).parameters.values())[given:]
    except (ValueError, TypeError, NameError) as error:
        raise PellucidError(f"{section}.name = {name!r}: its arguments can't be told ({error})") from error
    accepted = {parameter.name: parameter for parameter in parameters}
    for key, value in choice.items():
        if key == "name":
            continue
        if key not in accepted:
            raise unknown_key(section, key, accepted, name)
        try:
            annotation = accepted[key].annotation
            msgspec.convert(value, Any if annotation is inspect.Parameter.empty else annotation)
        except msgspec.ValidationError as error:
            raise PellucidError(f"{section}.{key} = {value!r}: {str(error).lower()}{listed(annotation)}") from error
        _check_size(f"{section}.{key}", value)
    for key, parameter in accepted.items():
        if parameter.default is inspect.Parameter.empty and key not in choice:
            raise PellucidError(f"[{section}] has no {key}, which {name} needs")


def listed(annotation: Any) -> str:
    """What to say behind an error about a value of this type: the values there are, where it names them; else ""."""
    found, waiting = [], [annotation]
    while waiting:
        kind = waiting.pop(0)
        if get_origin(kind) is Literal:
            found += [str(value) for value in get_args(kind)]
        else:
            waiting += get_args(kind)
    return f": expected one of {', '.join(found)}" if found else ""


def _check_size(place: str, value: Any) -> None:
    """Raise PellucidError for numbers that are none or beyond all use, and for endless lists."""
    entries = value if isinstance(value, list | tuple) else [value]
    if len(entries) > MOST_ENTRIES:
        raise PellucidError(f"{place}: {len(entries):,} entries, expected at most {MOST_ENTRIES:,}")
    for entry in entries:
        if isinstance(entry, list | tuple):
            _check_size(place, entry)
        elif isinstance(entry, int | float) and not abs(entry) <= MOST:
            raise PellucidError(f"{place} = {value!r}: expected numbers of a size up to {MOST:g}")


def make(choice: Mapping[str, Any], known: Mapping[str, Callable[..., Made]], *given: Any) -> Made:
    """What a checked choice stands for."""
    return known[choice["name"]](*given, **{key: value for key, value in choice.items() if key != "name"})
