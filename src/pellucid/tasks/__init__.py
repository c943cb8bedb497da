"""Tasks: what a network learns, how that is measured, and what its outputs say.

`TASKS` has them by the name that recipes use. Each is made from the names of the classes and options.
"""

from pellucid.tasks.classify import Classify, Guess

TASKS = {"classify": Classify}

__all__ = ["TASKS", "Classify", "Guess"]
