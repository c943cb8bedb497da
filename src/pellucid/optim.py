"""Optimizers and schedules by name: `pl.optim.Adam(1e-3)`, `pl.optim.Cosine(warmup=0.5)`.

A schedule's settings go by name; how many steps there are it learns from the trainer.
"""

from pellucid.training.optimizers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSprop
from pellucid.training.schedules import Constant, Cosine, OneCycle, Schedule, Step

__all__ = [
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Momentum",
    "Nesterov",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "Step",
]
