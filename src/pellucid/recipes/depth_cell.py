"""One cell of the depth experiment: one network trained on one part of the data with one seed."""

from __future__ import annotations

from pellucid.analysis.depth import Cell, Member, Result, Settings
from pellucid.analysis.depth.cells import part_of
from pellucid.data import Data, Loader
from pellucid.network import Network
from pellucid.tasks import Classify
from pellucid.training import Trainer, evaluate
from pellucid.training.optimizers import AdamW
from pellucid.training.schedules import OneCycle


def train_cell(cell: Cell, member: Member, settings: Settings, data: Data) -> Result | None:
    """Train the cell's network, then measure it once on all test images. None where a signal asked to stop."""
    part = part_of(data.train, cell.fraction, cell.seed)
    loader = Loader(part, min(settings.batch_size, len(part)), seed=cell.seed)
    network = Network(member.create(data.train.classes), data.train.image_shape, seed=cell.seed)
    task = Classify(data.train.class_names)
    trainer = Trainer(
        network=network,
        task=task,
        loader=loader,
        optimizer=AdamW(settings.rate, weight_decay=settings.weight_decay),
        schedule=OneCycle(settings.steps, len(loader)),
        epochs=settings.steps / len(loader),
        seed=cell.seed,
    )
    if not trainer.fit():
        return None
    accuracy = evaluate(network, task, Loader(data.test, 500, shuffle=False))["accuracy"]
    loss = trainer.state.history[-1]["train"]["loss"]
    return Result(accuracy, len(part), loss)
