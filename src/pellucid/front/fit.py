"""Training from Python: what a recipe says, as arguments; the same trainer does the work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.arguments import checked, checked_but, shown
from pellucid.data import Augmentation, Boxes, Data, Dataset, RandomCrop
from pellucid.errors import InputError, PellucidError
from pellucid.files import path_of
from pellucid.front.model import Model
from pellucid.front.web_page import WebPage
from pellucid.network import Network
from pellucid.ops.formats import float_name
from pellucid.recipes import Recipe, build_loader, build_trainer, start_run
from pellucid.recipes.check import check_choices
from pellucid.recipes.load import of_types
from pellucid.recipes.model import About, dataset_notes, parse_notes
from pellucid.recipes.schema import Choice, DataSettings, TrainingSettings
from pellucid.recipes.settled import settled
from pellucid.recipes.written import written
from pellucid.tasks import TASKS
from pellucid.training import OPTIMIZERS, SCHEDULES, Callback, Optimizer, Record, Schedule, Trainer, evaluate
from pellucid.training.callbacks import Alive, Call, Live, Progress
from pellucid.training.callbacks.curve import draw_curve
from pellucid.training.folder import RunFolder
from pellucid.training.optimizers import Adam
from pellucid.training.schedules import Constant

AnyCallback = Callback | Callable[[Trainer, Record], object]


@checked_but("epochs", "batch_size", "seed", "mean", "std", "clip", "ema", "callbacks", "folder", "name")
def fit(
    network: Network,
    data: Data,
    *,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    epochs: float = 5,
    batch_size: int = 128,
    seed: int = 0,
    task: str | Mapping[str, Any] | None = None,
    metrics: Sequence[str] = (),
    augmentation: Augmentation | None = None,
    crop: RandomCrop | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    clip: float = 0.0,
    ema: float = 0.0,
    callbacks: Sequence[AnyCallback] = (),
    folder: str | Path | None = None,
    name: str = "python",
    verbosity: int = 1,
) -> Run:
    """Train a network, from its present weights; Ctrl-C ends after the current step, and `run.resume()` goes on.

    network: built for `data.shape`; it is trained itself, not a copy. data: see `pl.data`. optimizer: by default
    Adam(1e-3); only its settings are taken, so one may serve many times. schedule: by default the full rate.
    epochs: how often each sample is seen, may be a fraction. batch_size: samples a step. seed: of order, dropout and
    augmentation. task: "classify", "segment", "detect" or "regress", perhaps with options as a recipe's [task] has
    them; by default what fits the targets. metrics: further measures by name (classify: "precision", "recall",
    "f1"). augmentation, crop: random changes of training images. mean, std: of each channel, where white is 1. clip:
    largest norm of the gradient; 0: no limit. ema: decay of the moving average of the weights; 0: none. callbacks:
    `pl.callbacks`, or functions of (trainer, record) called after each epoch. folder: run folder to make, as the
    command line does; None: nothing is written. name: of the run. verbosity: 0 nothing, 1 a line an epoch, 2 ten.

    Raises PellucidError, a ValueError too where arguments don't fit each other, in one line that says how.

    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> data = pl.data.arrays(X, X[:, 0] > 0)
    >>> net = pl.Network(pl.nn.Linear(2), data.shape)
    >>> run = pl.fit(net, data, optimizer=pl.optim.Adam(0.1), epochs=20, verbosity=0)
    >>> run.evaluate()["accuracy"] > 0.9
    True
    """
    _check_shapes(network, data)
    made = Recipe(
        name=name,
        network={"name": "layers", "layers": "" if folder is None else written(network.layer)},
        task=_task(data, task, metrics),
        data=DataSettings(**{**data.origin, "mean": mean, "std": std}),
        augmentation=augmentation or Augmentation(),
        crop=crop or RandomCrop(),
        optimizer=_choice(optimizer or Adam(1e-3), OPTIMIZERS, "optimizer"),
        schedule=_choice(schedule or Constant(), SCHEDULES, "schedule", leave=("steps", "epoch_steps")),
        training=TrainingSettings(
            epochs=epochs, batch_size=batch_size, seed=seed, clip=clip, ema=ema, precision=float_name(network.dtype)
        ),
    )
    recipe = of_types(made)
    check_choices(recipe)
    _check_classes(recipe, data)
    recipe = settled(recipe, data)
    if not isinstance(callbacks, Sequence):
        raise InputError(f"callbacks: expected a list of them, got {type(callbacks).__name__}")
    hung = [call if isinstance(call, Callback) else Call(call) for call in callbacks]
    if verbosity:
        hung += [Progress(verbosity), Live()]
        hung += [Alive()] if folder is None else []  # a run in a folder has it by itself
    if folder is None:
        trainer, run = build_trainer(recipe, data, hung, network=network), None
    else:
        trainer, run = start_run(recipe, path_of(folder, "folder"), callbacks=hung, data=data, network=network)
    done = Run(trainer, recipe, data, run)
    done.resume()
    return done


@dataclass(eq=False)
class Run:
    """A training run: what came of it, and what it was.

    trainer: that did the work. recipe: what it was asked for, as data. data: what it learnt from. folder: where it
    wrote, or None. finished: whether it came to its end, and wasn't stopped by Ctrl-C.

    >>> data = pl.data.arrays(np.eye(4), [0, 1, 0, 1], test=0.25)
    >>> net = pl.Network(pl.nn.Linear(2), data.shape)
    >>> run = pl.fit(net, data, epochs=2, verbosity=0)
    >>> run.finished, len(run.history), sorted(run.evaluate())
    (True, 2, ['accuracy', 'loss'])
    """

    trainer: Trainer
    recipe: Recipe
    data: Data
    folder: RunFolder | None = None
    finished: bool = False

    def resume(self) -> bool:
        """Go on after Ctrl-C; whether it came to its end."""
        self.finished = self.trainer.fit()
        return self.finished

    @property
    def history(self) -> list[Record]:
        """A record of each epoch: "train", "validation" and "test" by measure, "rate", "seconds"."""
        return self.trainer.state.history

    @property
    def stop_reason(self) -> str:
        """Why a callback ended it early, or nothing."""
        return self.trainer.stop_reason

    @property
    def network(self) -> Network:
        """The trained network, with the averaged weights where there are some."""
        if self.trainer.average is None:
            return self.trainer.network
        with self.trainer.final_weights() as network:
            return network.astype(network.dtype)

    @property
    def model(self) -> Model:
        """The trained network with all that is needed to use it."""
        notes = dataset_notes(self.recipe, self.data.train)
        about = _about(notes, self.recipe)
        return Model.of(self.network, self.trainer.task, about)

    def evaluate(self, part: str = "test") -> dict[str, float]:
        """Loss and measures over all of a part of the data: "test", "validation" or "train".

        Raises PellucidError for a part that there is not.
        """
        known = isinstance(part, str) and part in {"train", "validation", "test"}
        dataset: Dataset | None = getattr(self.data, part) if known else None
        if dataset is None:
            raise InputError(f"evaluate: expected a part of the data, got {shown(part)}")
        return evaluate(self.network, self.trainer.task, build_loader(self.recipe, dataset, training=False))

    @checked
    def page(self, *, bits: int | None = None, images: int = 40) -> WebPage:
        """One web page that shows the network at work on its test images; see `Model.page`."""
        return self.model.page(self.data, bits=bits, images=images)

    def curve(self) -> bytes:
        """The history as a PNG: losses and primary measures. Raises PellucidError before the first epoch is done."""
        if not self.history:
            raise PellucidError("curve: expected at least one epoch that is done, got none")
        return draw_curve(self.history, self.trainer.state.trace, self.trainer.task.primary)

    def _repr_png_(self) -> bytes | None:
        return self.curve() if self.history else None

    def __repr__(self) -> str:
        state = self.trainer.state
        how = "finished" if self.finished else "stopped"
        return f"Run: {how} after {state.epoch} epochs, {state.step} steps" + (
            f", best {self.trainer.task.primary} {state.best:.4f} in epoch {state.best_epoch}" if state.best else ""
        )


def _about(notes: Mapping[str, str], recipe: Recipe) -> About:
    """What a model's file would say."""
    found = parse_notes(notes, Path(f"{recipe.name}.safetensors"))
    return found._replace(recipe=recipe)


def _check_shapes(network: Network, data: Data) -> None:
    if not isinstance(network, Network):
        raise InputError(f"fit: expected a Network, got {type(network).__name__}")
    if not isinstance(data, Data):
        raise InputError(f"fit: expected data of pl.data, such as pl.data.arrays(X, y), got {type(data).__name__}")
    if len(network.input_shape) != len(data.shape) or network.input_shape[0] != data.shape[0]:
        raise InputError(
            f"fit: expected a network of input {data.shape}, as the data, got one of {network.input_shape}"
        )


def _check_classes(recipe: Recipe, data: Data) -> None:
    if recipe.task["name"] == "classify" and len(data.train) < data.train.classes:
        raise InputError(
            f"{data.train.name}: expected at least as many samples as classes, got {len(data.train)} of "
            f"{data.train.classes} classes"
        )


def _task(data: Data, task: str | Mapping[str, Any] | None, metrics: Sequence[str]) -> Choice:
    """The task as a recipe has it; where none is given, the one that has such targets."""
    given = {"name": task} if isinstance(task, str) else dict(task or {})
    if "name" not in given:
        given["name"] = _fitting_task(data.train.targets)
    if given["name"] not in TASKS:
        raise InputError(f"task: expected one of {', '.join(TASKS)}, got {given['name']!r}")
    measures = list(metrics)
    return {**given, "measures": measures} if measures else given


def _fitting_task(targets: Any) -> str:
    if isinstance(targets, Boxes):
        return "detect"
    if isinstance(targets, np.ndarray) and targets.dtype.kind == "f":
        return "regress"
    return "segment" if isinstance(targets, np.ndarray) and targets.ndim == 3 else "classify"


def _choice(made: Any, known: Mapping[str, type], kind: str, leave: Sequence[str] = ()) -> Choice:
    """An optimizer or a schedule as a recipe has it: its name, and its settings, which it keeps by their names."""
    name = next((name for name, made_by in known.items() if type(made) is made_by), None)
    if name is None:
        raise InputError(f"{kind}: expected one of pl.optim ({', '.join(known)}), got {type(made).__name__}")
    settings = inspect.signature(type(made)).parameters
    return {"name": name, **{key: getattr(made, key) for key in settings if key not in leave}}
