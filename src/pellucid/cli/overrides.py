"""Flags that stand for keys of a recipe. A new flag is one more field."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from pellucid.errors import PellucidError


def key(name: str) -> Any:
    """A flag, unset, that stands for this key of the recipe."""
    return field(default=None, metadata={"key": name})


@Parameter(name="*")
@dataclass(frozen=True)
class Overrides:
    """What is to be other than the recipe says."""

    epochs: Annotated[float | None, Parameter(help="How often each image is seen; may be a fraction.")] = key(
        "training.epochs"
    )
    batch_size: Annotated[int | None, Parameter(help="Images a step.")] = key("training.batch_size")
    rate: Annotated[float | None, Parameter(help="Learning rate, at its highest.")] = key("optimizer.rate")
    seed: Annotated[int | None, Parameter(help="Of weights, order of images, dropout and augmentation.")] = key(
        "training.seed"
    )
    data: Annotated[
        str | None, Parameter(help="A directory of IDX files (named as MNIST's) or of class folders; or mnist.")
    ] = key("data.source")
    precision: Annotated[
        Literal["float32", "float64"] | None, Parameter(help="Float type of weights and activations.")
    ] = key("training.precision")
    settings: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            negative="",
            show_default=False,
            help="Any key of the recipe, as key=value; may be repeated.",
        ),
    ] = ()

    def by_key(self) -> dict[str, Any]:
        """Value by dotted key, of all that were given. Raises PellucidError for a --set that isn't key=value."""
        found = {}
        for flag in fields(self):
            value = getattr(self, flag.name)
            if "key" in flag.metadata and value is not None:
                found[flag.metadata["key"]] = value
        for setting in self.settings:
            name, equals, value = setting.partition("=")
            if not equals or not name.strip():
                raise PellucidError(f"--set {setting}: expected key=value, such as optimizer.rate=0.002")
            found[name.strip()] = value.strip()
        if "data.source" in found:
            found["data.source"] = _lasting(found["data.source"])
        return found


def _lasting(source: str) -> str:
    """The data's name, or its directory's absolute path: the run may be opened from elsewhere."""
    path = Path(source)
    return str(path.resolve()) if path.exists() and source != "mnist" else source


NONE = Overrides()
