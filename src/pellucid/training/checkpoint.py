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

import msgspec
import numpy as np

from pellucid.documents import parse_json
from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.ops.arrays import Array
from pellucid.task import Metrics
from pellucid.training.agreement import from_first, together
from pellucid.training.state import TrainingState, check_counters
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
    notes = {
        "format": FORMAT,
        "data": trainer.loader.dataset.digest,
        "state": json.dumps(asdict(trainer.state)),
        "way": json.dumps(_way(trainer)),
    }
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
    unknown = parts.keys() - {"network", "optimizer", "weights", "metrics", "average"}
    if unknown:
        raise PellucidError(f"{path}: not the state of this network and optimizer ({min(unknown)})")
    if ("average" in parts) != (trainer.average is not None):
        raise PellucidError(f"{path}: only one of this run and its checkpoint has a moving average of the weights")
    try:
        state = read_state(notes, path)
        metrics = _metrics(parts.pop("metrics", {}), trainer)
        _check_parts(parts, trainer)
    except (ValueError, KeyError, TypeError, IndexError, ArithmeticError) as error:
        raise PellucidError(f"{path}: not the state of this network and optimizer ({error})") from error
    way, now = notes.get("way"), json.dumps(_way(trainer))
    if way not in {None, now}:  # checkpoints of version 0.1 don't tell
        raise PellucidError(
            f"{path}: taken in a training of {_way_in_words(str(way), path)}, the recipe now asks for "
            f"{_way_in_words(now, path)}: with its recipe as it was the run goes on; to train otherwise from its "
            "weights: pellucid train --from"
        )
    if state.batch > len(trainer.loader):
        raise PellucidError(f"{path}: damaged counters of a run (batch {state.batch} of {len(trainer.loader)})")
    trainer.network.load_state(parts["network"], str(path))
    trainer.optimizer.load_state(parts.get("optimizer", {}))
    trainer.weights.load_state(parts.get("weights", {}))
    if trainer.average is not None:
        trainer.average.load_state(parts["average"])
    trainer.state, trainer.metrics = state, metrics


def _way(trainer: Trainer) -> dict[str, int]:
    """What the order of the images and the schedule follow from: it has to stay what it was, to the last step."""
    return {"steps": trainer.total_steps, "images a step": trainer.loader.batch_size, "seed": trainer.seed}


def _way_in_words(text: str, path: Path) -> str:
    found = parse_json(text, str(path))
    return ", ".join(f"{name} {value}" for name, value in found.items()) if isinstance(found, dict) else text[:80]


def read_state(notes: Mapping[str, str], path: Path) -> TrainingState:
    """The counters and the history that a checkpoint's notes hold. Raises PellucidError where they are damaged."""
    try:
        given = parse_json(notes["state"], str(path))
        state = msgspec.convert(given, TrainingState)
        check_counters(state)
    except (KeyError, ValueError) as error:
        raise PellucidError(f"{path}: damaged counters of a run ({error})") from error
    return state


def _metrics(given: Mapping[str, Array], trainer: Trainer) -> Metrics:
    """What was measured in the epoch so far, which rank 0 keeps for all."""
    found = trainer.task.metrics(training=True)
    expected = found.state()
    if given.keys() - expected.keys() or (given and expected.keys() - given.keys()):
        raise ValueError(f"measures {', '.join(given)}, expected {', '.join(expected)}")
    for name, array in given.items():
        if (array.dtype, array.ndim) != (expected[name].dtype, expected[name].ndim):
            raise ValueError(f"measure {name} is {array.dtype} {array.shape}")
    if trainer.communicator.rank == 0 and given:
        trial = trainer.task.metrics(training=True)
        trial.merge(given)
        trial.result()
        found.merge(given)
    return found


def _check_parts(parts: Mapping[str, Mapping[str, Array]], trainer: Trainer) -> None:
    """Raise ValueError unless every array has the name, type and shape that the trainer's has; of the network's, the
    names and shapes are checked when they are taken over.
    """
    for name, own in trainer.network.state().items():
        given = parts["network"].get(name, own)
        if given.dtype != own.dtype:
            raise ValueError(f"network {name}: {given.dtype}, expected {own.dtype}")
    expected: dict[str, dict[str, Array]] = {
        "weights": trainer.weights.state(),
        "average": {} if trainer.average is None else trainer.average.state(),
    }
    for part, arrays in expected.items():
        found = parts.get(part, {})
        for name in sorted(arrays.keys() | found.keys()):
            _check_alike(f"{part} {name}", found.get(name), arrays.get(name))
    optimizer = dict(parts.get("optimizer", {}))
    _check_alike("optimizer steps", optimizer.pop("steps", None), np.zeros(1, np.int64))
    for name, slot in optimizer.items():
        _check_alike(f"optimizer {name}", slot, trainer.weights.vector)
    if set(optimizer) not in (set(trainer.optimizer.SLOTS), set()):
        expected_slots = ", ".join([*trainer.optimizer.SLOTS, "steps"])
        raise ValueError(f"state of {type(trainer.optimizer).__name__}: expected {expected_slots}")


def _check_alike(place: str, given: Array | None, own: Array | None) -> None:
    """Raise ValueError that names both sides where two arrays differ in type or shape, or one isn't there."""
    sides = ["none" if array is None else f"{array.dtype} {array.shape}" for array in (given, own)]
    if sides[0] != sides[1]:
        raise ValueError(f"{place}: {sides[0]}, expected {sides[1]}")
