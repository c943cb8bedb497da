"""Every public name is documented: what it takes and gives, every argument, and an example that runs."""

import doctest
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pellucid as pl

MODULES = ("pellucid", "pellucid.nn", "pellucid.optim", "pellucid.data")
NAMES = [f"{module}.{name}" for module in MODULES for name in importlib.import_module(module).__all__]
CONSTANTS = {"pellucid.nn.DIFFERENTIABLE", "pellucid.nn.INFERENCE"}  # described where they are made
CODE = [name for name in NAMES if name not in CONSTANTS]


def named(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


CALLED = [name for name in CODE if not isinstance(named(name), ModuleType)]


def test_all_names_are_looked_at() -> None:
    assert len(CALLED) > 105
    for module in MODULES:
        assert set(dir(pl)) >= set(pl.__all__)
        assert importlib.import_module(module).__doc__


@pytest.mark.parametrize("name", CALLED)
def test_a_public_name_has_an_example_that_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = named(name)
    text = found.__doc__
    assert text, f"{name} says nothing of itself"
    example = doctest.DocTestParser().get_doctest(text, {"np": np, "pl": pl}, name, None, None)
    assert example.examples, f"{name} has no example"
    said: list[str] = []
    failed = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert not failed.failed, "".join(said)


SHAPELESS = {f"pellucid.nn.{name}" for name in ("Context", "Node", "training")}
LAYERS = [name for name in CALLED if name.startswith("pellucid.nn.") and name not in SHAPELESS]


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_says_which_shapes_it_takes_and_gives(name: str) -> None:
    assert re.search(r"\([A-Z\d][^)]*,[^)]*\)|shape", named(name).__doc__), name


FUNCTIONS = [name for name in CALLED if inspect.isfunction(named(name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_each_argument_is(name: str) -> None:
    text = named(name).__doc__
    for argument in inspect.signature(named(name)).parameters:
        assert re.search(rf"\b{argument}\b", text), f"{name} doesn't say what {argument} is"
