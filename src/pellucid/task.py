"""What others need to know of a task: a loss with its gradient, and what is measured."""

from collections.abc import Mapping
from typing import Any, Protocol

from pellucid.ops.arrays import Array


class Metrics(Protocol):
    """Collects what is measured over many batches, for samples and not for batches: uneven batches count right.

    What is collected can be taken out (`state`), saved, and joined with what another one collected (`merge`).
    """

    def update(self, outputs: Any, targets: Any) -> None:
        """Take in the outputs and targets of a batch."""

    def merge(self, state: Mapping[str, Array]) -> None:
        """Take in what another one has collected, of this class."""

    def state(self) -> dict[str, Array]:
        """All that was collected, as arrays."""

    def result(self) -> dict[str, float]:
        """Each measure by name, over all that was collected."""


class Task(Protocol):
    """What a network is to learn. `outputs` and `targets` are those of one batch, or of this process's share."""

    @property
    def primary(self) -> str:
        """Name of the measure that models are compared by, such as "accuracy"."""

    @property
    def larger_is_better(self) -> bool:
        """Direction of the primary measure."""

    def count(self, outputs: Any, targets: Any) -> Array:
        """What the loss is divided by, as (1,) float64: number of samples, pixels, boxes, ...; 1 is taken for 0.

        Processes that share a batch add their counts up before any of them works out its loss.
        """

    def loss(self, outputs: Any, targets: Any, total: Array | None = None) -> tuple[float, Any]:
        """(loss, its gradient for the outputs), both already divided by `total`, by default count(outputs, targets).

        With the whole batch's count, losses and gradients of processes that share a batch add up to the batch's.
        """

    def metrics(self, training: bool = False) -> Metrics:
        """An empty collection. training: of measures cheap enough to be taken at every training step."""
