"""What is to be said of classes that a data set has nothing of; and data that nothing can be learnt from."""

from __future__ import annotations

import numpy as np

from pellucid.data.boxes import Boxes
from pellucid.data.dataset import Dataset
from pellucid.data.mask_files import IGNORED
from pellucid.errors import PellucidError

_NAMED = 5
_LEAST = {"box": 1, "image": 2, "pixel": 2}
"""Classes that there must be something of: a detector can learn one, as it learns what is none of them, too."""


def absent_classes(dataset: Dataset) -> list[str]:
    """A line that names the classes without any image, box or pixel; none where each has some, or nobody counted."""
    if (found := _present(dataset)) is None:
        return []
    unit, present = found
    names = [name for k, name in enumerate(dataset.class_names) if k not in present]
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"{dataset.name}: no {unit} of class {', '.join(names[:_NAMED])}{more}"]


def check_learnable(dataset: Dataset) -> None:
    """Raise PellucidError where training images have nothing to tell apart: no box, pixels of one class alone."""
    if (found := _present(dataset)) is None:
        return
    unit, present = found
    names = [name for k, name in enumerate(dataset.class_names) if k in present]
    if len(names) >= _LEAST[unit] or len(dataset.class_names) < _LEAST[unit]:
        return
    only = f"no {unit} of any class but {names[0]}" if names else f"no {unit} of any class"
    ignored = f"; the masks' {IGNORED} counts nowhere" if unit == "pixel" and IGNORED in present else ""
    expected = ", ".join(dataset.class_names[:_NAMED]) + (", ..." if len(dataset.class_names) > _NAMED else "")
    raise PellucidError(f"{dataset.name}: {only}{ignored}: nothing to learn, expected some of {expected}")


def _present(dataset: Dataset) -> tuple[str, set[int]] | None:
    """(what is counted, the classes that there is some of); None where nobody counted."""
    targets = dataset.targets
    if isinstance(targets, Boxes):
        return "box", set(targets.labels.tolist())
    if isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind in "iu":
        return "image", set(np.unique(targets).tolist())
    if (found := getattr(targets, "present", None)) is not None:
        return "pixel", set(found)
    return None
