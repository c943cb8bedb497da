"""A program of somebody who uses the public names only; it is checked under mypy --strict, and not run."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

import pellucid as pl
from pellucid.nn import Conv2d, Flatten, Linear, ReLU, Sequential

Array = npt.NDArray[np.float32]


class Halved(pl.nn.Layer):
    """Half the input."""

    def forward(self, x: Array, context: pl.nn.Context = pl.nn.INFERENCE) -> Array:
        """x / 2."""
        return x / np.float32(2)

    def backward(self, dy: Array) -> Array:
        """dy / 2."""
        return dy / np.float32(2)


def tell(trainer: pl.callbacks.Trainer, record: pl.callbacks.Record) -> None:
    """Say how far it is, and end early."""
    print(trainer.state.step, record["epoch"])
    trainer.stop("enough")


def main() -> None:
    """Train, evaluate, keep and use a network."""
    data: pl.data.Data = pl.data.arrays(np.zeros((20, 1, 8, 8), np.uint8), ["a", "b"] * 10)
    network = pl.Network(Sequential(Conv2d(4), ReLU(), Halved(), Flatten(), Linear(2)), data.shape)
    errors: dict[str, float] = pl.check(Halved(), (1, 8, 8))
    run: pl.Run = pl.fit(
        network,
        data,
        optimizer=pl.optim.AdamW(1e-3, weight_decay=0.1),
        schedule=pl.optim.OneCycle(peak=0.2),
        epochs=0.5,
        callbacks=[pl.callbacks.EarlyStopping(2), pl.callbacks.CSV(Path("history.csv")), tell],
    )
    measured: dict[str, float] = run.evaluate("test")
    model: pl.Model = run.model
    model.save("model.safetensors")
    name: str | None = pl.load(Path("model.safetensors")).predict("picture.png").name
    names: list[str | None] = model.predict(["one.png", "two.png"]).names
    y: npt.NDArray[np.float32] = network(np.zeros((1, 1, 8, 8), np.float32))
    print(errors, measured, name, names, y.shape)
