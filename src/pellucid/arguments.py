"""Arguments of public classes and functions held to their annotations: a wrong one is named where it is given.

A number may be NumPy's, a list a tuple or an array; but a bool or a string is no number, a fraction no whole number,
one of more than 63 bits neither, and NaN is nothing at all.
"""

from __future__ import annotations

import inspect
import operator
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, wraps
from math import inf, isfinite, isnan
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, ParamSpec, Self, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from pellucid.errors import InputError

P = ParamSpec("P")
Result = TypeVar("Result")
Say = Callable[[str, str, str], Exception]
"""The error for a setting, what was expected of it, and what came."""

Endless = Annotated[float, inf]
"""A number that may be infinite."""

HOUSE = "pellucid."
MOST = (1 << 63) - 1  # of a whole number, as arrays hold it
LONGEST = 80  # characters of a value in a message


class Checked:
    """A class of this package whose instances can be made with arguments of the annotated types alone."""

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        """An empty instance. Raises InputError that names the argument."""
        check_arguments(cls, arguments, options)
        return super().__new__(cls)


def checked(function: Callable[P, Result]) -> Callable[P, Result]:
    """A function that refuses, by name, arguments of other types than it says; see `checked_but`."""
    return checked_but()(function)


def checked_but(*own: str) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Let a function refuse, by name, arguments of other types than it says, but for those it looks at itself."""

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        @wraps(function)
        def call(*arguments: P.args, **options: P.kwargs) -> Result:
            check_arguments(function, arguments, options, own=own)
            return function(*arguments, **options)

        return call

    return decorate


def check_arguments(
    made: Callable[..., Any],
    arguments: Sequence[Any],
    options: Mapping[str, Any],
    error: Say | None = None,
    own: Sequence[str] = (),
) -> None:
    """Hold the arguments of a class or function to its annotations. Raises InputError, or what `error` makes.

    own: names of arguments that it looks at itself. Arguments that are missing or that nobody knows are left to
    Python; so are classes of users.
    """
    if not (arguments or options) or not made.__module__.startswith(HOUSE):
        return
    if getattr(made, "__init__", None) is object.__init__:  # which would take anything, and drop it
        first = next(iter((*arguments, *options)))
        raise (error or _refusal(made))("settings", "none", shown(first))
    signature, hints = _signature(made)
    try:
        given = signature.bind_partial(*arguments, **options).arguments
    except TypeError:
        return
    for name, value in given.items():
        hint = hints.get(name, Any)
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD or name in own:
            continue
        for one in value if kind is inspect.Parameter.VAR_POSITIONAL else (value,):
            if not fits(one, hint):
                raise (error or _refusal(made))(name, phrase(hint), shown(one))


def _refusal(made: Callable[..., Any]) -> Say:
    def say(name: str, expected: str, came: str) -> InputError:
        return InputError(f"{made.__name__}: {name} = {came}, expected {expected}")

    return say


def shown(value: Any) -> str:
    """A value in a message: short, in one line."""
    if isinstance(value, np.ndarray):
        return f"an array {value.dtype} {value.shape}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of whatever somebody has given
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


@cache
def _signature(made: Callable[..., Any]) -> tuple[inspect.Signature, dict[str, Any]]:
    called = made.__init__ if isinstance(made, type) else made  # type: ignore[misc]
    signature = inspect.signature(called)
    if isinstance(made, type):
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    try:
        hints = get_type_hints(called, include_extras=True)
    except NameError:  # of a name that only type checkers see
        hints = {}
    return signature, hints


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says. What can't be told is taken to be."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _number(value) and not isnan(value) if hint == Endless else fits(value, get_args(hint)[0])
    if origin in {Union, types.UnionType}:
        return any(fits(value, one) for one in get_args(hint))
    if origin is Literal:
        return any(value is one or (type(value) is type(one) and value == one) for one in get_args(hint))
    if origin is tuple:
        return _tuple(value, get_args(hint))
    if isinstance(origin, type) and issubclass(origin, np.ndarray):
        return isinstance(value, Sequence | np.ndarray) or hasattr(value, "__array__") or hasattr(value, "dtype")
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if origin in {Sequence, list}:
        return _listed(value) and all(fits(one, get_args(hint)[0]) for one in value)
    if origin is Callable or hint is Callable:
        return callable(value)
    return _plain(value, hint if origin is None else origin)


def _tuple(value: Any, inner: tuple[Any, ...]) -> bool:
    if not _listed(value):
        return False
    if len(inner) == 2 and inner[1] is Ellipsis:
        return all(fits(one, inner[0]) for one in value)
    return len(value) == len(inner) and all(map(fits, value, inner))


def _listed(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _plain(value: Any, hint: Any) -> bool:
    if hint is Any or hint is object:
        return True
    if hint is None or hint is type(None):
        return value is None
    if hint is bool:
        return isinstance(value, bool | np.bool_)
    if hint is int:
        return not isinstance(value, bool | np.bool_) and _is_whole(value)
    if hint is float:
        return _number(value) and isfinite(value)
    if hint is Path:
        return isinstance(value, str | PathLike)
    if isinstance(hint, type) and not getattr(hint, "_is_protocol", False):
        return isinstance(value, hint)
    return True


def _number(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and _is_whole(value)
    return isinstance(value, float | np.integer | np.floating)


def _is_whole(value: Any) -> bool:
    try:
        return -MOST <= operator.index(value) <= MOST
    except TypeError:
        return False


def phrase(hint: Any) -> str:
    """What an annotation says, in words."""
    return " or ".join(dict.fromkeys(_phrases(hint)))


def _phrases(hint: Any) -> Iterator[str]:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from _phrases(inner[0])
    elif origin in {Union, types.UnionType}:
        for one in inner:
            yield from _phrases(one)
    elif origin is Literal:
        yield f"one of {', '.join(map(str, inner))}"
    elif origin is tuple and Ellipsis not in inner:
        yield f"{len(inner)} of {phrase(inner[0])}" if len(set(inner)) == 1 else "a tuple"
    elif origin in {tuple, Sequence, list}:
        yield f"a list of {phrase(inner[0])}"
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield "names and values"
    elif isinstance(origin, type) and issubclass(origin, np.ndarray):
        yield "an array"
    elif origin is Callable or hint is Callable:
        yield "a function"
    else:
        plain = {int: "a whole number", float: "a number", bool: "true or false", str: "a string", type(None): "None"}
        kind = hint if origin is None else origin
        yield plain.get(kind, "") or f"a {getattr(kind, '__name__', str(kind))}"
