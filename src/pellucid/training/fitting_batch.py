"""Which batch would fit where one was too large for a device's memory."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from pellucid.data import Batch, Loader
from pellucid.data.randomness import generator
from pellucid.errors import OutOfMemoryError
from pellucid.layers import training
from pellucid.network import Network
from pellucid.ops.arrays import Array


def too_large(
    error: OutOfMemoryError, network: Network, loader: Loader, loss_gradient: Callable[[Array, Any], Array]
) -> OutOfMemoryError:
    """The error, which says also what batch fits: passes of smaller and smaller ones tell.

    loss_gradient: from outputs and targets of a batch to what the network's backward pass is given.
    """
    traceback.clear_frames(error.__traceback__)  # they hold arrays
    batch, size = next(iter(loader.epoch(0))), loader.batch_size // 2
    while size and not _fits(network, batch, size, loss_gradient):
        size //= 2
    says = f"a batch of {size} fits" if size else "not even one image fits"
    error.args = (f"{error}: {says}, this one has {loader.batch_size}",)
    return error


def _fits(network: Network, batch: Batch, size: int, loss_gradient: Callable[[Array, Any], Array]) -> bool:
    """Whether so many images of the batch go through the network forwards and backwards."""
    try:
        for layer in network.layers():
            layer.forget()
        outputs = network.forward(batch.inputs[:size], training(generator(0, "dropout")))
        network.backward(loss_gradient(outputs, batch.targets[:size]))
    except OutOfMemoryError as error:
        traceback.clear_frames(error.__traceback__)
        return False
    return True
