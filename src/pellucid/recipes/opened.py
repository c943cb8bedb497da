"""A trained model of whatever holds one: a run's folder, a model's file, an ONNX file."""

from __future__ import annotations

from pathlib import Path

from pellucid.recipes.imported import onnx_file_model
from pellucid.recipes.model import Model, open_saved


def open_model(path: Path, *, best: bool = False) -> Model:
    """The model of a run folder (its last, or its best), or of a model file, which may be an ONNX file.

    Raises PellucidError where there is none, it's damaged, or its weights don't fit its recipe.
    """
    return onnx_file_model(path) if path.suffix == ".onnx" else open_saved(path, best=best)
