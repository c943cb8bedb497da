"""The package that reads and writes ONNX files; an extra, which only this exchange needs."""

from __future__ import annotations

import importlib
from typing import Any

from pellucid.errors import PellucidError


def onnx_package() -> Any:
    """The package `onnx`. Raises PellucidError where it isn't installed."""
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise PellucidError(f"ONNX needs the package onnx: pip install 'pellucid[onnx]' ({error})") from error
