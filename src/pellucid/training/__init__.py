"""Training: the loop, optimizers, schedules, callbacks and checkpoints. It knows no task and no network by name."""

from pellucid.training.agreement import AgreedError
from pellucid.training.averaging import WeightAverage
from pellucid.training.callbacks.base import Callback
from pellucid.training.checkpoint import load_checkpoint, save_checkpoint
from pellucid.training.communicator import Alone, Communicator
from pellucid.training.diagnosis import NotFiniteError
from pellucid.training.evaluate import evaluate, measure
from pellucid.training.optimizers import OPTIMIZERS, Optimizer
from pellucid.training.schedules import SCHEDULES, Schedule
from pellucid.training.state import Record, TrainingState
from pellucid.training.task import Metrics, Task
from pellucid.training.trainer import Trainer
from pellucid.training.weights import load_model, read_arrays, save_model, write_arrays

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "AgreedError",
    "Alone",
    "Callback",
    "Communicator",
    "Metrics",
    "NotFiniteError",
    "Optimizer",
    "Record",
    "Schedule",
    "Task",
    "Trainer",
    "TrainingState",
    "WeightAverage",
    "evaluate",
    "load_checkpoint",
    "load_model",
    "measure",
    "read_arrays",
    "save_checkpoint",
    "save_model",
    "write_arrays",
]
