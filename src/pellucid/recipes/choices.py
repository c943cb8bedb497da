"""Making what a recipe chooses by name, with errors that name the key."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from pellucid.errors import PellucidError

Made = TypeVar("Made")


def unknown(kind: str, name: object, known: Iterable[str]) -> PellucidError:
    """The error for a name that isn't among the known ones; it says which of them is nearest."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, 1, 0.4)
    hint = f"; nearest is {near[0]}" if near else ""
    return PellucidError(f"unknown {kind} {name!r}{hint} (there are {', '.join(names)})")


def check_choice(
    section: str, choice: Mapping[str, Any], known: Mapping[str, Callable[..., Any]], given: int
) -> None:
    """Check that a section's name is a known one, and its options are arguments of that one, of their types.

    given: how many leading arguments don't come from the recipe.
    """
    if "name" not in choice:
        raise PellucidError(f"[{section}] has no name: expected one of {', '.join(known)}")
    name = choice["name"]
    if name not in known:
        raise unknown(f"{section}.name", name, known)
    maker = known[name]
    parameters = list(inspect.signature(maker, eval_str=True).parameters.values())[given:]
    accepted = {parameter.name: parameter for parameter in parameters}
    for key, value in choice.items():
        if key == "name":
            continue
        if key not in accepted:
            raise unknown(f"key {section}.{key} for {name}", key, accepted)
        try:
            annotation = accepted[key].annotation
            msgspec.convert(value, Any if annotation is inspect.Parameter.empty else annotation)
        except msgspec.ValidationError as error:
            raise PellucidError(f"{section}.{key} = {value!r}: {str(error).lower()}") from error
    for key, parameter in accepted.items():
        if parameter.default is inspect.Parameter.empty and key not in choice:
            raise PellucidError(f"[{section}] has no {key}, which {name} needs")


def make(choice: Mapping[str, Any], known: Mapping[str, Callable[..., Made]], *given: Any) -> Made:
    """What a checked choice stands for."""
    return known[choice["name"]](*given, **{key: value for key, value in choice.items() if key != "name"})
