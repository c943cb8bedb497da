"""Accuracy of number formats over seeds: every run is printed and kept, so that the whole can be done in pieces.

python -m benchmarks.precision_training formats RESULTS.jsonl [--recipe deep-convnet] [--seeds 5] [--minutes 3]
    trains in float32, float16 and bfloat16
python -m benchmarks.precision_training integers RESULTS.jsonl ...
    trains in float32, converts to 8 bits, converts again after one epoch of training with rounding
python -m benchmarks.precision_training updates RESULTS.jsonl ...
    trains in bfloat16 with the update rounded to nearest, rounded by chance, by Kahan's sum, into a float32 copy

Runs that RESULTS.jsonl already holds are not repeated; after --minutes no further run is begun.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean, pstdev
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from pellucid import ops
from pellucid.data import Data
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.precision import quantize
from pellucid.recipes import Recipe, build_data, build_loader, build_trainer, load_recipe, start_run
from pellucid.recipes.shrink import calibration_images, shrink_run
from pellucid.training import Trainer
from pellucid.training.master_weights import HalfWeights, Update

Result = dict[str, Any]


class Direct(HalfWeights):
    """Sixteen-bit weights without a copy: the optimizer works on a float32 image of them that is thrown away."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.rng = np.random.default_rng(0)
        self.lost = np.zeros_like(network.vector)

    def update(self, step: Update, gradient: Array) -> None:
        before = ops.widen(self.network.vector)
        self.master[:] = before
        step(self.master, gradient)
        self.network.vector[:] = self.rounded(before, self.master - before)

    def rounded(self, before: Array, change: Array) -> Array:
        """The weights after a change, in their own type: the nearest numbers."""
        return ops.narrow(before + change, self.network.dtype)


class Stochastic(Direct):
    """Rounded up or down by chance, so that the mean is exact (Gupta et al. 2015). For bfloat16."""

    def rounded(self, before: Array, change: Array) -> Array:
        bits = (before + change).view(np.uint32)
        noise = self.rng.integers(0, 1 << 16, bits.size, np.uint32)
        found: Array = ((bits + noise) >> np.uint32(16)).astype(np.uint16).view(self.network.dtype)
        return found


class Kahan(Direct):
    """What rounding took away is kept, in 16 bits too, and added to the next change (Kahan 1965)."""

    def rounded(self, before: Array, change: Array) -> Array:
        wanted = before + change + ops.widen(self.lost)
        found = ops.narrow(wanted, self.network.dtype)
        self.lost[:] = ops.narrow(wanted - ops.widen(found), self.network.dtype)
        return found


UPDATES = {"nearest": Direct, "stochastic": Stochastic, "kahan": Kahan, "float32 copy": HalfWeights}


def formats(recipe: Recipe, seeds: int, data: Data) -> Iterator[tuple[Result, Callable[[], Result]]]:
    for seed in range(seeds):
        for precision in ("float32", "float16", "bfloat16"):
            yield {"precision": precision, "seed": seed}, lambda p=precision, s=seed: _trained(recipe, data, s, p)  # type: ignore[misc]


def updates(recipe: Recipe, seeds: int, data: Data) -> Iterator[tuple[Result, Callable[[], Result]]]:
    for seed in range(seeds):
        for name, kind in UPDATES.items():
            yield {"update": name, "seed": seed}, lambda k=kind, s=seed: _trained(recipe, data, s, "bfloat16", k)  # type: ignore[misc]


def integers(recipe: Recipe, seeds: int, data: Data) -> Iterator[tuple[Result, Callable[[], Result]]]:
    for seed in range(seeds):
        yield {"bits": 8, "seed": seed}, lambda s=seed: _shrunk(recipe, data, s)  # type: ignore[misc]


def _with(recipe: Recipe, seed: int, precision: str) -> Recipe:
    settings = msgspec.structs.replace(recipe.training, seed=seed, precision=precision)
    return msgspec.structs.replace(recipe, training=settings)


def _trained(
    recipe: Recipe, data: Data, seed: int, precision: str, weights: type[HalfWeights] | None = None
) -> Result:
    trainer: Trainer = build_trainer(_with(recipe, seed, precision), data)
    if weights is not None:
        trainer._weights = weights(trainer.network)
    trainer.fit()
    last = trainer.state.history[-1]
    return {"accuracy": last["test"]["accuracy"], "loss": last["test"]["loss"], "seconds": last["seconds"]}


def _shrunk(recipe: Recipe, data: Data, seed: int) -> Result:
    with TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        trainer, _ = start_run(_with(recipe, seed, "float32"), run, data=data)
        trainer.fit()
        loader = build_loader(recipe, data.test, training=False)
        found = {"float32": trainer.state.history[-1]["test"]["accuracy"]}
        with trainer.final_weights() as network:
            converted = quantize(network, calibration_images(recipe, data))
        found["int8"] = _accuracy(converted.forward, loader)
        found["int8, trained"] = _accuracy(shrink_run(run, 8, epochs=1, data=data).network.forward, loader)
    return found


def _accuracy(forward: Callable[[Array], Array], loader: Any) -> float:
    right = sum(int((forward(b.inputs).argmax(axis=1) == b.targets).sum()) for b in loader.epoch(0))
    return right / len(loader.dataset)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("formats", "integers", "updates"))
    parser.add_argument("results", type=Path)
    parser.add_argument("--recipe", default="deep-convnet")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e9)
    given = parser.parse_args()
    recipe = load_recipe(given.recipe)
    data = replace(build_data(recipe), validation=None)
    lines = given.results.read_text().splitlines() if given.results.exists() else []
    done = [json.loads(line) for line in lines]
    jobs = {"formats": formats, "integers": integers, "updates": updates}[given.what]
    end = time.monotonic() + 60 * given.minutes
    for which, work in jobs(recipe, given.seeds, data):
        about = {"what": given.what, "recipe": given.recipe, **which}
        if any(about.items() <= row.items() for row in done) or time.monotonic() > end:
            continue
        row = {**about, **work()}
        done.append(row)
        print(json.dumps(row), flush=True)
        with given.results.open("a") as file:
            file.write(json.dumps(row) + "\n")
    _print_means([row for row in done if (row["what"], row["recipe"]) == (given.what, given.recipe)])


def _print_means(rows: list[Result]) -> None:
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name in ("accuracy", "float32", "int8", "int8, trained"):
            if name in row:
                label = row.get("precision") or row.get("update") or ""
                groups[f"{label} {name}".strip()].append(100 * row[name])
    for label, values in groups.items():
        print(f"{label:28}{mean(values):8.3f} % over {len(values)} seeds, deviation {pstdev(values):.3f}")


if __name__ == "__main__":
    main()
