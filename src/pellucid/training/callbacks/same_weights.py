"""Whether the ranks of a run still train the same network."""

from __future__ import annotations

from pellucid.training.agreement import agree
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer


class SameWeights(Callback):
    """After every epoch, makes sure that all ranks still have the same weights and statistics, bit for bit.

    They start alike and make the same updates, so that they only differ where a machine computes something else than
    the others do.
    """

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Compare hashes. Raises AgreedError where they differ."""
        if trainer.communicator.ranks > 1:
            agree(trainer.communicator, {f"weights after epoch {record['epoch']}": trainer.network.digest()})
