"""An exponential moving average of the weights, which often generalises better than the last ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.half import is_half


class WeightAverage:
    """Average of a network's weights and statistics over the steps (Polyak, Juditsky 1992).

    decay: what is left of the average at each step. In the first steps it is less, (1 + step) / (10 + step), so
    that the random start is soon forgotten.
    """

    def __init__(self, network: Network, decay: float) -> None:
        if not 0 <= decay < 1:
            raise PellucidError(f"ema = {decay}: expected 0 to below 1")
        self.decay = decay
        wide = np.float32 if is_half(network.dtype) else network.dtype
        self.vector, self.statistics = network.vector.astype(wide), network.statistics.copy()

    def restart(self, network: Network) -> None:
        """Begin anew at the network's present values."""
        self.vector[:], self.statistics[:] = network.vector, network.statistics

    def update(self, vector: Array, statistics: Array, step: int) -> None:
        """Take in the weights, as they are trained, and statistics after a step, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        ops.average_update(self.vector, vector, decay)
        if self.statistics.size:
            ops.average_update(self.statistics, statistics, decay)

    @contextmanager
    def applied(self, network: Network) -> Iterator[None]:
        """Within the block, the network has the averaged values."""
        vector, statistics = network.vector.copy(), network.statistics.copy()
        network.vector[:], network.statistics[:] = self.vector, self.statistics
        try:
            yield
        finally:
            network.vector[:], network.statistics[:] = vector, statistics

    def state(self) -> dict[str, Array]:
        """The averages, not copied."""
        return {"vector": self.vector, "statistics": self.statistics}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from there."""
        self.vector[:], self.statistics[:] = state["vector"], state["statistics"]
