"""What the ranks of a test do: a small training run, whose end rank 0 writes down.

python mpi_program.py FOLDER [stop at step] [resume]
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

from pellucid import ops
from pellucid.training import Callback, Trainer, load_checkpoint
from pellucid.training.callbacks import Checkpoint, History, Progress, SameWeights
from pellucid.training.distributed import join_ranks
from pellucid.weights import write_arrays
from small_runs import digits, small_recipe, small_trainer

IMAGES = 193  # six batches of 32, and one of a single image, which leaves most ranks with none


class StopAt(Callback):
    """Somebody asks one rank, and not the first, to stop."""

    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, trainer: Trainer, loss: float) -> None:
        if trainer.state.step == self.at and trainer.communicator.rank == trainer.communicator.ranks - 1:
            os.kill(os.getpid(), signal.SIGTERM)


def main(folder: Path, stop: int, resume: bool) -> None:
    communicator = join_ranks()
    ops.set_threads(1)
    path = folder / "checkpoint.safetensors"
    trainer = small_trainer(small_recipe(precision="float64"), data=digits(IMAGES), communicator=communicator)
    trainer.callbacks = [
        Progress(), SameWeights(), StopAt(stop), History(folder / "history.jsonl"), Checkpoint(path, steps=5),
    ]  # fmt: skip
    if resume:
        load_checkpoint(path, trainer)
    finished = trainer.fit()
    if communicator.rank == 0:
        assert trainer.average is not None
        notes = {"finished": str(finished), "step": str(trainer.state.step)}
        notes["history"] = json.dumps(trainer.state.history)
        arrays = {"weights": trainer.network.vector, "statistics": trainer.network.statistics}
        write_arrays(folder / "end.safetensors", arrays | {"average": trainer.average.vector}, notes)
    else:
        print("only rank 0 is heard")
        assert not np.may_share_memory(trainer.network.vector, trainer.network.gradient)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "resume" in sys.argv)
