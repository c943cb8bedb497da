"""Weights and checkpoints on disk: whole or not at all, and a run goes on as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.training import Callback, Trainer, load_checkpoint, save_checkpoint
from pellucid.training.callbacks import Checkpoint, History
from pellucid.training.callbacks.history import read_history
from pellucid.training.optimizers import SGD
from pellucid.weights import load_model, read_arrays, save_model, write_arrays
from pellucid.zoo import create
from small_runs import digits, one_thread_of_numpy, small_recipe, small_trainer


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


def test_arrays_come_back_whatever_their_strides(tmp_path: Path) -> None:
    grid = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    arrays: dict[str, Array] = {
        "plain": grid,
        "transposed": grid.transpose(2, 0, 1),
        "every second": grid[:, ::2],
        "backwards": grid[::-1],
        "number": np.array(7, np.int64),
        "none": np.zeros((0, 3)),
    }
    write_arrays(tmp_path / "a.safetensors", arrays, {"said": "so"})
    found, notes = read_arrays(tmp_path / "a.safetensors")
    assert notes == {"said": "so"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", bytes(100), b"\xff" * 64])
def test_a_damaged_file_is_one_line_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(PellucidError, match=r"m\.safetensors: expected a safetensors file, but") as caught:
        read_arrays(path)
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write_arrays(path, {"a": np.arange(5)}, {"note": "x"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(PellucidError):
            read_arrays(path)


def test_weights_of_another_network_name_both_shapes(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(path, Network(create("deep-convnet", 10), (1, 28, 28), seed=1), {"by": "me"})
    network = Network(create("deep-convnet", 10), (1, 28, 28))
    assert load_model(path, network) == {"by": "me"}
    assert network.digest() == Network(create("deep-convnet", 10), (1, 28, 28), seed=1).digest()
    with pytest.raises(PellucidError, match=r"19\.weight has shape \(10, 50\), this network's has \(7, 50\)"):
        load_model(path, Network(create("deep-convnet", 7), (1, 28, 28)))


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, trainer: Trainer, loss: float) -> None:
        if trainer.state.step == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("optimizer", ["nesterov", "adamw"])
@pytest.mark.parametrize("step", [2, 6, 7, 13])
def test_a_checkpoint_at_any_step_goes_on_bit_for_bit(tmp_path: Path, optimizer: str, step: int) -> None:
    recipe = msgspec.structs.replace(small_recipe(), optimizer={"name": optimizer, "rate": 0.01})
    whole = small_trainer(recipe)
    whole.fit()
    path = tmp_path / "c.safetensors"
    first = small_trainer(recipe, callbacks=[StopAt(step), Checkpoint(path)])
    assert not first.fit()
    second = small_trainer(recipe)
    load_checkpoint(path, second)
    assert second.state.step == step + 1
    assert second.fit()
    assert second.network.digest() == whole.network.digest()
    assert whole.average is not None
    assert second.average is not None
    np.testing.assert_array_equal(second.average.vector, whole.average.vector)
    for mine, theirs in zip(second.state.history, whole.state.history, strict=True):
        for part in ("train", "validation", "test"):
            assert mine[part] == theirs[part]


def test_what_is_no_checkpoint_or_another_runs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    trainer = small_trainer()
    save_checkpoint(path, trainer)
    with pytest.raises(PellucidError, match="only one of this run and its checkpoint has a moving average"):
        load_checkpoint(path, small_trainer(small_recipe(ema=0.0)))
    with pytest.raises(PellucidError, match="the images of mnist train are not those that this run began with"):
        load_checkpoint(path, small_trainer(data=digits(209)))
    wide = small_trainer()
    wide.network = Network(create("deep-convnet", 10), (1, 28, 28))
    with pytest.raises(PellucidError, match=r"0\.weight has shape \(6, 1, 3, 3\), this network's has"):
        load_checkpoint(path, wide)
    save_model(path, trainer.network, {"format": "pellucid model 1"})
    with pytest.raises(PellucidError, match="expected a 'pellucid checkpoint 1', got 'pellucid model 1'"):
        load_checkpoint(path, trainer)


def test_what_does_not_fit_changes_neither_network_nor_optimizer(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    trained = small_trainer(small_recipe(epochs=1))
    trained.fit()
    save_checkpoint(path, trained)
    other = small_trainer(small_recipe(seed=1))
    other.optimizer = SGD(0.1)
    before = other.network.digest()
    with pytest.raises(PellucidError, match="state of SGD: expected steps"):
        load_checkpoint(path, other)
    assert other.network.digest() == before != trained.network.digest()
    assert other.optimizer.steps == 0


VICTIM = """
import sys
from pathlib import Path
from pellucid import ops
from small_runs import small_recipe, small_trainer
from pellucid.training import load_checkpoint
from pellucid.training.callbacks import Checkpoint, History
folder = Path(sys.argv[1])
ops.set_threads(1)
trainer = small_trainer(small_recipe(epochs=15))
if (folder / "c.safetensors").exists():
    load_checkpoint(folder / "c.safetensors", trainer)
trainer.callbacks = [History(folder / "h.jsonl", every=3), Checkpoint(folder / "c.safetensors", steps=1)]
trainer.fit()
"""


def start_victim(folder: Path) -> subprocess.Popen[bytes]:
    tests, source = Path(__file__).parents[1], Path(ops.__file__).parents[2]
    environment = os.environ | {"PELLUCID_BACKEND": "numpy", "PYTHONPATH": f"{source}:{tests}"}
    return subprocess.Popen([sys.executable, "-c", VICTIM, str(folder)], env=environment)


def test_killed_at_any_moment_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """SIGKILL, twice, while it writes a checkpoint at every step."""
    rng = np.random.default_rng()
    for _ in range(2):
        before = _step(tmp_path)
        victim = start_victim(tmp_path)
        while _step(tmp_path) <= before + 5 and victim.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.1))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        read_arrays(tmp_path / "c.safetensors")
    assert start_victim(tmp_path).wait() == 0

    whole = small_trainer(small_recipe(epochs=15))
    whole.callbacks = [History(tmp_path / "whole.jsonl", every=3)]
    whole.fit()
    resumed = small_trainer(small_recipe(epochs=15))
    load_checkpoint(tmp_path / "c.safetensors", resumed)
    assert resumed.network.digest() == whole.network.digest()
    for epochs in (True, False):
        mine, theirs = (read_history(tmp_path / name, epochs=epochs) for name in ("h.jsonl", "whole.jsonl"))
        for line in mine + theirs:
            line.pop("seconds", None), line.pop("images_per_second", None)
        assert mine == theirs


def _step(folder: Path) -> int:
    """The step of the checkpoint there; 0 while there is none."""
    path = folder / "c.safetensors"
    if not path.exists():
        return 0
    return int(json.loads(read_arrays(path)[1]["state"])["step"])
