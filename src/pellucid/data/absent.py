"""What is to be said of classes that a data set has nothing of."""

from __future__ import annotations

import numpy as np

from pellucid.data.boxes import Boxes
from pellucid.data.dataset import Dataset

_NAMED = 5


def absent_classes(dataset: Dataset) -> list[str]:
    """A line that names the classes without any image, box or pixel; none where each has some, or nobody counted."""
    targets = dataset.targets
    if isinstance(targets, Boxes):
        unit, present = "box", set(targets.labels.tolist())
    elif isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind in "iu":
        unit, present = "image", set(np.unique(targets).tolist())
    elif (found := getattr(targets, "present", None)) is not None:
        unit, present = "pixel", set(found)
    else:
        return []
    names = [name for k, name in enumerate(dataset.class_names) if k not in present]
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"{dataset.name}: no {unit} of class {', '.join(names[:_NAMED])}{more}"]
