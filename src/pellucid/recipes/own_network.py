"""Networks of people's own: `[network] name = "my_module:make"` in a recipe.

`make(classes, **options)` of the module gives a layer or a container. The module is looked for as Python does, the
current folder first. It is code, so a recipe that somebody writes for himself may name one, and a run or a model's
file, which may come from anybody, only where whoever opens it says that he trusts it.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pellucid.errors import PellucidError
from pellucid.layers import Layer

_trusting: ContextVar[bool] = ContextVar("trusting", default=False)


@contextmanager
def trusting(trust: bool = True) -> Iterator[None]:
    """Within the block, code that runs and models' files name is run."""
    token = _trusting.set(trust or _trusting.get())
    try:
        yield
    finally:
        _trusting.reset(token)


def is_trusting() -> bool:
    """Whether such code may be run now."""
    return _trusting.get()


def is_own(name: object) -> bool:
    """Whether a network's name is that of a function, "module:function"."""
    return isinstance(name, str) and ":" in name


def check_trust(name: object, source: str) -> None:
    """Raise PellucidError where a run or a file names code, and nobody has said that it is to be trusted."""
    if is_own(name) and not _trusting.get():
        raise PellucidError(
            f"{source}: its network is {name!r}, code that is not in this file; expected --trust to run it"
        )


def own_network(name: str) -> Callable[..., Layer]:
    """The function that is so called. Raises PellucidError where the module or the function isn't there."""
    module_name, _, function_name = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise PellucidError(f"network {name!r}: no module {module_name} ({error})") from error
    except Exception as error:
        raise _gone_wrong(name, error) from error
    finally:
        sys.path.remove(here)
    make = getattr(module, function_name, None)
    if not callable(make):
        raise PellucidError(f"network {name!r}: {module_name} has no function {function_name!r}")

    def checked(*arguments: Any, **options: Any) -> Layer:
        try:
            layer = make(*arguments, **options)
        except PellucidError:
            raise
        except Exception as error:
            raise _gone_wrong(name, error) from error
        if not isinstance(layer, Layer):
            raise PellucidError(f"network {name!r}: expected it to give a layer, got {type(layer).__name__}")
        return layer

    checked.__wrapped__ = make  # type: ignore[attr-defined]  # for inspect.signature
    return checked


def _gone_wrong(name: str, error: Exception) -> PellucidError:
    """What somebody's own code raised, and where."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return PellucidError(f"network {name!r}: {type(error).__name__}: {error}{place}")


def networks_with(name: object, known: dict[str, Callable[..., Layer]]) -> dict[str, Callable[..., Layer]]:
    """The known networks, and the one of that name where it is somebody's own."""
    return {**known, str(name): own_network(str(name))} if is_own(name) else known
