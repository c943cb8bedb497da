"""What is hung into training: progress, history, curve, models and checkpoints."""

from pellucid.training.callbacks.checkpoint import Checkpoint
from pellucid.training.callbacks.curve import Curve
from pellucid.training.callbacks.history import History
from pellucid.training.callbacks.progress import Progress
from pellucid.training.callbacks.same_weights import SameWeights
from pellucid.training.callbacks.save_models import SaveModels
from pellucid.training.trainer import Callback

__all__ = ["Callback", "Checkpoint", "Curve", "History", "Progress", "SameWeights", "SaveModels"]
