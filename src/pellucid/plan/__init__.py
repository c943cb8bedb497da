"""Networks that only have to answer: their steps, and where in memory each result lies."""

from pellucid.plan.answers import Answers, answering
from pellucid.plan.integer_network import AnyNetwork, IntegerNetwork
from pellucid.plan.memory import MemoryPlan, plan_memory
from pellucid.plan.plan import Plan
from pellucid.plan.scale import PIXELS, Scale

__all__ = [
    "PIXELS",
    "Answers",
    "AnyNetwork",
    "IntegerNetwork",
    "MemoryPlan",
    "Plan",
    "Scale",
    "answering",
    "plan_memory",
]
