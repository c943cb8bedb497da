"""What can be hung into training: progress, history, curve, models and checkpoints."""

from pellucid.training.callbacks.base import Callback

__all__ = ["Callback"]
