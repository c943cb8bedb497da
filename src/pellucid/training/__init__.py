"""Training: the loop, optimizers, schedules, callbacks and checkpoints. It knows no task and no network by name."""

from pellucid.training.agreement import AgreedError
from pellucid.training.averaging import WeightAverage
from pellucid.training.checkpoint import load_checkpoint, save_checkpoint
from pellucid.training.communicator import Alone, Communicator
from pellucid.training.diagnosis import NotFiniteError
from pellucid.training.evaluate import evaluate, measure
from pellucid.training.optimizers import OPTIMIZERS, Optimizer
from pellucid.training.schedules import SCHEDULES, Schedule
from pellucid.training.state import Record, TrainingState
from pellucid.training.teacher import Teacher
from pellucid.training.trainer import Callback, Trainer

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "AgreedError",
    "Alone",
    "Callback",
    "Communicator",
    "NotFiniteError",
    "Optimizer",
    "Record",
    "Schedule",
    "Teacher",
    "Trainer",
    "TrainingState",
    "WeightAverage",
    "evaluate",
    "load_checkpoint",
    "measure",
    "save_checkpoint",
]
