"""Tasks: what a network learns, how that is measured, and what its outputs say.

`TASKS` has them by the name that recipes use. Each is made from the names of the classes and options.
"""

from collections.abc import Callable

from pellucid.task import Task
from pellucid.tasks.classify import Classify, Guess
from pellucid.tasks.detect import Detect
from pellucid.tasks.labels import Labels
from pellucid.tasks.regress import Regress
from pellucid.tasks.segment import Segment

TASKS: dict[str, Callable[..., Task]] = {
    "classify": Classify,
    "labels": Labels,
    "segment": Segment,
    "detect": Detect,
    "regress": Regress,
}

__all__ = ["TASKS", "Classify", "Detect", "Guess", "Labels", "Regress", "Segment"]
