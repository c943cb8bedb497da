"""The one door to compiled code: each call of an op passes its row of the table before any memory is touched.

A call that was found right is remembered by all that a check looks at (shapes, types and layout of arrays, settings),
so that the next one like it costs less than half a microsecond. Only whether an array that is written shares memory
with another one is asked each time.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from operator import attrgetter
from types import ModuleType
from typing import Any

import numpy as np

from pellucid.errors import InputError, PellucidError
from pellucid.ops.forms import Call
from pellucid.ops.half import is_half, taking_halves
from pellucid.ops.settings import SETTINGS
from pellucid.ops.table import TABLE, Row

MOST_KNOWN = 4096  # kinds of calls of one op that are remembered
MISSING: Any = inspect.Parameter.empty

_SIGN: Callable[[Any], Any] = attrgetter("shape", "dtype", "flags.num", "__class__")
_WRITTEN_SIGN = "{0}.shape, {0}.dtype, {0}.flags.num, {0}.__class__"

_QUICK = """
def make(known, first, apart, missing, other, exactly):
    last = first
    def door({defaults}, /, *more, **named):
        nonlocal last
        try:
            if more or named:
                raise KeyError
            {key}
            found = last[0]
            {parts} = found
            if like != key{changed}:
                last[0] = found = known[key + exactly(({settings}))]
                {parts} = found
            last = found
        except (KeyError, AttributeError, TypeError, ValueError):
            return other((*(value for value in ({values},) if value is not missing), *more), named)
        {apart}
        return op({arguments})
    return door
"""
"""A known call is [the one that came after it, what its arrays are like, what does it, settings as they were given,
settings in its own form]. Layers call an op in the same turn again and again, with the same settings: so a call is
first compared with the one that came next the last time, which takes less than to look it up. Settings are the same
there only if they are the same objects; those looked up have the same types too."""


@functools.cache
def doors(backend: ModuleType) -> dict[str, Callable[..., Any]]:
    """Every function of a backend by name, behind its checks.

    A backend with arrays of its own sees to its calls itself, at each launch: some of its ops take arrays of the host
    over, such as labels, and rates or seeds that lie on the device.
    """
    if getattr(backend, "ARRAY", np.ndarray) is not np.ndarray:
        return {name: taking_halves(backend, name) for name in backend.__all__}
    return {name: _Door(backend, name, TABLE[name]).opened() for name in backend.__all__}


class _Door:
    """One op, its row, and the calls that were right."""

    def __init__(self, backend: ModuleType, name: str, row: Row) -> None:
        self.name, self.row, self.function = name, row, getattr(backend, name)
        self.op = taking_halves(backend, name)
        parameters = inspect.signature(self.function).parameters
        self.names = tuple(parameters)
        self.defaults = tuple(parameter.default for parameter in parameters.values())
        self.many = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
        self.array_places = [i for i, name in enumerate(self.names) if name in row.arrays]
        self.setting_places = [i for i, name in enumerate(self.names) if name not in row.arrays]
        self.written = [i for i in self.array_places if row.arrays[self.names[i]].written]
        self.known: dict[Any, list[Any]] = {}  # see _QUICK

    def opened(self) -> Callable[..., Any]:
        """The op behind the door."""
        other, count = self._other, len(self.array_places)
        if count and self.row.remembered and not self.many and self.array_places == list(range(count)):
            return functools.wraps(self.function)(self._quick())

        if self.name == "array":  # of every forward and backward; what is an array already is given back

            @functools.wraps(self.function)
            def array(*arguments: Any, **named: Any) -> Any:
                plain = not named and len(arguments) == 1 and type(arguments[0]) is np.ndarray
                return arguments[0] if plain else other(arguments, named)

            return array

        @functools.wraps(self.function)
        def round_about(*arguments: Any, **named: Any) -> Any:
            return other(arguments, named)

        return round_about

    def _quick(self) -> Callable[..., Any]:
        """The door of an op whose arrays come first, written out for them: a loop over them would cost the most."""
        arrays = [self.names[i] for i in self.array_places]
        settings = [self.names[i] for i in self.setting_places]
        optional = [name for name in arrays if self.row.arrays[name].optional]
        signs = {name: _WRITTEN_SIGN.format(name) for name in arrays}
        if len(optional) == 1:  # such as a bias: both cases written out
            there, left = (
                ", ".join("None" if name in optional and none else signs[name] for name in arrays)
                for none in (False, True)
            )
            key = f"key = ({left},) if {optional[0]} is None else ({there},)"
        else:
            for name in optional:
                signs[name] = f"*((None,) if {name} is None else ({signs[name]}))"
            key = f"key = ({', '.join(signs.values())},)"
        own = [f"{name}_" for name in settings]
        text = _QUICK.format(
            defaults=", ".join(f"{name}=missing" for name in self.names), values=", ".join(self.names), key=key,
            parts=", ".join(["_", "like", "op", *(f"_{name}" for name in settings), *own]),
            changed="".join(f" or _{name} is not {name}" for name in settings),
            settings="".join(f"{name}, " for name in settings),
            apart=f"apart(({', '.join(arrays)},))" if self.written else "",
            arguments=", ".join([*arrays, *own]),
        )  # fmt: skip
        room: dict[str, Any] = {}
        exec(compile(text, f"<door of {self.name}>", "exec"), room)
        first: list[Any] = [None, (), *(None for _ in range(1 + 2 * len(settings)))]
        first[0] = first
        made: Callable[..., Any] = room["make"](self.known, first, self._apart, MISSING, self._other, _exactly)
        return made

    def _other(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """A call of a kind that is not known, or is not known at a glance."""
        values = [arguments] if self.many else self._placed(arguments, named)
        signs, given = self._like(values, arguments, named) if self.row.remembered else (None, ())
        key = _hashable(signs, given)
        found = None if key is None else self.known.get(key)
        if found is None:
            signed = [values[i] for i in self.array_places]
            found = [None, signs, self._doer(values), *given, *self._check(values)]
            found[0] = found
            if key is not None and all(
                values[i] is array for i, array in zip(self.array_places, signed, strict=True)
            ):
                if len(self.known) >= MOST_KNOWN:
                    self.known.clear()
                self.known[key] = found
        op = found[2]
        for i, setting in zip(self.setting_places, found[3 + len(given) :], strict=True):
            values[i] = setting
        if self.written:
            self._apart(values)
        try:
            return op(*(values[0] if self.many else values))
        except MemoryError as error:
            raise PellucidError(f"{self.name}: not enough memory: {' '.join(str(error).split())}") from error
        except (TypeError, ValueError, OverflowError) as error:
            if self.row.arrays:
                raise
            raise InputError(f"{self.name}: {' '.join(str(error).split())}") from error

    def _doer(self, values: list[Any]) -> Callable[..., Any]:
        """The backend's function itself, unless numbers may have to be widened first."""
        first = values[0] if values else None
        return self.function if isinstance(first, np.ndarray) and not is_half(first.dtype) else self.op

    def _placed(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
        """All arguments in their places. Raises InputError for one too many, too few or unknown."""
        takes = f"it takes {', '.join(self.names)}"
        if len(arguments) > len(self.names):
            raise InputError(f"{self.name}: got {len(arguments)} arguments: {takes}")
        values = [*arguments, *self.defaults[len(arguments) :]]
        for name, value in named.items():
            if name not in self.names[len(arguments) :]:
                raise InputError(f"{self.name}: unexpected argument {name!r}: {takes}")
            values[self.names.index(name)] = value
        if any(value is MISSING for value in values):
            missing = next(name for name, value in zip(self.names, values, strict=True) if value is MISSING)
            raise InputError(f"{self.name}: {missing} is missing: {takes}")
        return values

    def _like(
        self, values: list[Any], arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...] | None, tuple[Any, ...]]:
        """(what the arrays are like, the settings; those left out as that); (None, ()) where that can't be said."""
        signed: list[Any] = []
        try:
            for i in self.array_places:
                value = values[i]
                if isinstance(value, list | tuple):
                    signed.append(tuple(map(_SIGN, value)))
                elif value is None:
                    signed.append(None)
                else:
                    signed += _SIGN(value)
        except AttributeError:
            return None, ()
        count = len(values) if self.many or named else len(arguments)
        return tuple(signed), tuple(values[i] if i < count else MISSING for i in self.setting_places)

    def _check(self, values: list[Any]) -> tuple[Any, ...]:
        """The settings in the op's own form. Arrays in odd memory are replaced by copies of theirs.

        Raises InputError that names the argument, what was expected and what came.
        """
        settings: dict[str, Any] = {}
        for i in self.setting_places:
            name = self.names[i]
            try:
                settings[name] = SETTINGS[name](values[i])
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError(f"{self.name}: {name}: expected {error}, got {_shown(values[i])}") from error
        call = Call(self.name)
        for i in self.array_places:
            name = self.names[i]
            values[i] = call.take(name, values[i], self.row.arrays[name])
        if self.row.rule is not None:
            self.row.rule(call, settings)
        return tuple(settings.values())

    def _apart(self, values: Any) -> None:
        """Raise InputError where an array that is written shares memory with another one."""
        for i in self.written:
            target = values[i]
            if target is None:
                continue
            for j in self.array_places:
                other = values[j]
                if j != i and other is not None and np.may_share_memory(target, other):
                    names = f"{self.names[i]} and {self.names[j]}"
                    raise InputError(f"{self.name}: {names}: expected memory of their own, got arrays that overlap")


def _exactly(settings: tuple[Any, ...]) -> tuple[Any, ...]:
    """Settings with their types, so that True is no 1 and an array no number."""
    return tuple((type(value), _exactly(value) if type(value) is tuple else value) for value in settings)


def _hashable(signs: tuple[Any, ...] | None, given: tuple[Any, ...]) -> Any:
    """What a call is known by; None where it can't be."""
    key = None if signs is None else (*signs, *_exactly(given))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
