"""Flags that stand for keys of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_type_hints

from cyclopts import Parameter

from pellucid.cli.flags import Count, Whole
from pellucid.errors import PellucidError


@dataclass(frozen=True)
class Key:
    """The key of the recipe that a flag stands for."""

    name: str


@Parameter(name="*")
@dataclass(frozen=True)
class Overrides:
    """What is to be other than the recipe says. A new flag is one more field with its `Key`."""

    epochs: Annotated[
        float | None, Key("training.epochs"), Parameter(help="How often each image is seen; may be a fraction.")
    ] = None
    batch_size: Annotated[Count | None, Key("training.batch_size"), Parameter(help="Images a step.")] = None
    rate: Annotated[
        float | None, Key("optimizer.rate"), Parameter(help="Learning rate, where the schedule has it highest.")
    ] = None
    seed: Annotated[
        Whole | None,
        Key("training.seed"),
        Parameter(help="Of weights, order of images, dropout and augmentation."),
    ] = None
    data: Annotated[
        str | None,
        Key("data.source"),
        Parameter(help="What is learnt from: a folder of pictures, of IDX or CIFAR files, a CSV file; or mnist."),
    ] = None
    from_: Annotated[
        str | None,
        Key("training.start_from"),
        Parameter(
            name="--from",
            help="Start from the weights of a run or a model's file, or of a pretrained network by name.",
        ),
    ] = None
    teacher: Annotated[
        str | None,
        Key("teacher.source"),
        Parameter(help="Learn from the answers of this run, or model's file, beside the labels (distillation)."),
    ] = None
    precision: Annotated[
        Literal["float64", "float32", "float16", "bfloat16"] | None,
        Key("training.precision"),
        Parameter(help="Float type that weights and activations are stored in."),
    ] = None
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
        found: dict[str, Any] = {}
        for flag, hint in get_type_hints(type(self), include_extras=True).items():
            value = getattr(self, flag)
            for key in hint.__metadata__:
                if isinstance(key, Key) and value is not None:
                    found[key.name] = value
        for setting in self.settings:
            name, equals, value = setting.partition("=")
            if not equals or not name.strip():
                raise PellucidError(f"--set {setting}: expected key=value, such as optimizer.rate=0.002")
            found[name.strip()] = value.strip()
        for key in ("data.source", "training.start_from", "teacher.source"):
            if key in found:
                found[key] = _lasting(found[key])
        return found


def _lasting(source: str) -> str:
    """A name, or a file's or directory's absolute path: the run may be opened from elsewhere."""
    from pellucid.training.folder import find_run

    path = find_run(source)
    return str(path.resolve()) if source and path.exists() and source != "mnist" else source


NONE = Overrides()
