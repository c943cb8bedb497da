"""Checkpoints: everything that a run needs to go on as if nothing had happened, in one file.

Weights, statistics, optimizer, moving average, and what was measured in the epoch so far are the arrays of a
safetensors file; the counters and the history stand in its header. Random numbers need no state: those of a
step belong to the seed and the step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.ops.arrays import Array
from pellucid.training.agreement import from_first, together
from pellucid.training.state import TrainingState
from pellucid.training.trainer import Trainer
from pellucid.weights import unpack, write_arrays

FORMAT = "pellucid checkpoint 1"


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Write the checkpoint of a trainer between two steps. Every rank calls this; rank 0 writes."""
    metrics = trainer.joined_metrics().state()
    if trainer.communicator.rank != 0:
        return
    parts: dict[str, Mapping[str, Array]] = {
        "network": trainer.network.state(),
        "optimizer": trainer.optimizer.state(),
        "weights": trainer.weights.state(),
        "metrics": metrics,
    }
    if trainer.average is not None:
        parts["average"] = trainer.average.state()
    arrays = {f"{part}/{name}": array for part, named in parts.items() for name, array in named.items()}
    notes = {"format": FORMAT, "data": trainer.loader.dataset.digest, "state": json.dumps(asdict(trainer.state))}
    write_arrays(path, arrays, notes)


def load_checkpoint(path: Path, trainer: Trainer) -> None:
    """Put a trainer where a checkpoint left off. Network and optimizer stay as they are unless all of it fits.

    Every rank calls this; rank 0 reads. Raises PellucidError, the same on every rank, where the file is missing,
    damaged, no checkpoint, or of other images, or another network or optimizer.
    """
    content = from_first(trainer.communicator, lambda: read_whole(path))
    together(trainer.communicator, lambda: _restore(content, path, trainer))


def _restore(content: bytes, path: Path, trainer: Trainer) -> None:
    arrays, notes = unpack(content, str(path))
    if notes.get("format") != FORMAT:
        raise PellucidError(f"{path}: expected a {FORMAT!r}, got {notes.get('format', 'another file')!r}")
    dataset = trainer.loader.dataset
    if notes.get("data") != dataset.digest:
        raise PellucidError(f"{path}: the images of {dataset.name} are not those that this run began with")
    parts: dict[str, dict[str, Array]] = {}
    for key, array in arrays.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = array
    if ("average" in parts) != (trainer.average is not None):
        raise PellucidError(f"{path}: only one of this run and its checkpoint has a moving average of the weights")
    network = {name: value.copy() for name, value in trainer.network.state().items()}
    optimizer = trainer.optimizer.state()
    try:
        state = TrainingState(**json.loads(notes["state"]))
        trainer.network.load_state(parts["network"], str(path))
        trainer.optimizer.load_state(parts.get("optimizer", {}))
        trainer.weights.load_state(parts.get("weights", {}))
        if trainer.average is not None:
            trainer.average.load_state(parts["average"])
    except (PellucidError, KeyError, TypeError, ValueError) as error:
        trainer.network.load_state(network)
        trainer.optimizer.load_state(optimizer)
        if isinstance(error, PellucidError):
            raise
        raise PellucidError(f"{path}: not the state of this network and optimizer ({error!r})") from error
    trainer.state = state
    trainer.metrics = trainer.task.metrics(training=True)
    if trainer.communicator.rank == 0:
        trainer.metrics.merge(parts.get("metrics", {}))
