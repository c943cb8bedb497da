"""What is hung into training: progress, history, curve, models and checkpoints."""

from pellucid.training.callbacks.alive import Alive
from pellucid.training.callbacks.alone_in_folder import AloneInFolder
from pellucid.training.callbacks.call import Call
from pellucid.training.callbacks.checkpoint import Checkpoint
from pellucid.training.callbacks.csv import CSV
from pellucid.training.callbacks.curve import Curve
from pellucid.training.callbacks.early_stopping import EarlyStopping
from pellucid.training.callbacks.history import History
from pellucid.training.callbacks.live import Live
from pellucid.training.callbacks.progress import Progress
from pellucid.training.callbacks.same_weights import SameWeights
from pellucid.training.callbacks.save_models import SaveModels
from pellucid.training.callbacks.tensorboard import TensorBoard
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer

__all__ = [
    "CSV",
    "Alive",
    "AloneInFolder",
    "Call",
    "Callback",
    "Checkpoint",
    "Curve",
    "EarlyStopping",
    "History",
    "Live",
    "Progress",
    "Record",
    "SameWeights",
    "SaveModels",
    "TensorBoard",
    "Trainer",
]
