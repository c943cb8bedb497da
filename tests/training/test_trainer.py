"""The training loop: what it counts, how it stops, and that several ranks are one."""

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from pellucid.data import Loader
from pellucid.graph import Sequential
from pellucid.layers import Flatten, Identity, Layer, Linear, ReLU
from pellucid.ops.arrays import Array
from pellucid.training import Alone, Callback, NotFiniteError, Trainer, evaluate
from small_runs import digits, layers, one_thread_of_numpy, small_recipe, small_trainer


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


class Watch(Callback):
    """Keeps every step's loss; at a step of choice, does something."""

    def __init__(self, at: int = 0, act: Callable[[Trainer], None] = lambda trainer: None) -> None:
        self.at, self.act, self.losses, self.ends = at, act, list[float](), list[bool]()

    def step(self, trainer: Trainer, loss: float) -> None:
        self.losses.append(loss)
        if trainer.state.step == self.at:
            self.act(trainer)

    def end(self, trainer: Trainer, finished: bool) -> None:
        self.ends.append(finished)


def test_it_learns_and_every_image_counts_once() -> None:
    watch = Watch()
    trainer = small_trainer(small_recipe(epochs=8), callbacks=[watch])
    assert trainer.fit()
    assert trainer.state.step == len(watch.losses) == 8 * 7
    assert watch.ends == [True]
    first, last = trainer.state.history[0], trainer.state.history[-1]
    sizes = np.array([32] * 6 + [210 - 6 * 32])
    assert first["train"]["loss"] == pytest.approx((np.array(watch.losses[:7]) * sizes).sum() / 210)
    assert round(first["train"]["accuracy"] * 210, 6) % 1 == 0
    assert last["train"]["loss"] < first["train"]["loss"] / 2
    assert last["test"]["accuracy"] > 0.5
    assert last["test"]["images"] == 90


def test_evaluation_is_the_mean_over_images_whatever_the_batches() -> None:
    trainer = small_trainer()
    data = digits().test
    whole = trainer.network.forward(Loader(data, 90, shuffle=False)._batch(np.arange(90), 0, 0).inputs)
    right = (whole.argmax(1) == np.asarray(data.targets)).mean()
    losses = [trainer.task.loss(whole[i : i + 1], data.targets[i : i + 1])[0] for i in range(90)]
    for size in (7, 90):
        found = evaluate(trainer.network, trainer.task, Loader(data, size, shuffle=False))
        assert found["accuracy"] == pytest.approx(right)
        assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_step_is_one_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = small_trainer(small_recipe(epochs=1))
    forward, calls = trainer.network.forward, []

    def counted(x: Array, *rest: Any) -> Array:
        calls.append(len(x))
        return forward(x, *rest)

    monkeypatch.setattr(trainer.network, "forward", counted)
    trainer.evaluations = {}
    trainer.fit()
    assert calls == [32] * 6 + [18]


def test_epochs_may_be_a_fraction_and_fewer_images_measured_until_the_last() -> None:
    trainer = small_trainer(small_recipe(epochs=1.5, evaluate_samples=20))
    assert trainer.fit()
    assert trainer.state.step == round(1.5 * 7)
    assert [record["test"]["images"] for record in trainer.state.history] == [20, 90]


def test_epochs_are_compared_by_the_same_images() -> None:
    trainer = small_trainer(small_recipe(epochs=2, evaluate_samples=5))
    assert trainer.judge == "validation"
    assert trainer.fit()
    assert [record["validation"]["images"] for record in trainer.state.history] == [5, 5]
    assert [record["test"]["images"] for record in trainer.state.history] == [5, 90]


def test_the_average_is_what_is_measured() -> None:
    trainer = small_trainer()
    trainer.fit()
    own = evaluate(trainer.network, trainer.task, trainer.evaluations["test"])
    digest = trainer.network.digest()
    with trainer.final_weights() as network:
        assert network.digest() != digest
        assert evaluate(network, trainer.task, trainer.evaluations["test"])["loss"] == pytest.approx(
            trainer.state.history[-1]["test"]["loss"]
        )
    assert trainer.network.digest() == digest
    assert own["loss"] != trainer.state.history[-1]["test"]["loss"]


def test_a_long_gradient_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []
    trainer = small_trainer(small_recipe(epochs=1))
    update = trainer.optimizer.update

    def measured(vector: Array, gradient: Array, *rest: Any, **named: Any) -> None:
        norms.append(float(np.linalg.norm(gradient)))
        update(vector, gradient, *rest, **named)

    monkeypatch.setattr(trainer.optimizer, "update", measured)
    trainer.clip = 0.25
    trainer.fit()
    assert max(norms) == pytest.approx(0.25, rel=1e-5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_at_the_step(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    watch = Watch(at=9, act=lambda trainer: os.kill(os.getpid(), number))
    trainer = small_trainer(callbacks=[watch])
    assert not trainer.fit()
    assert trainer.state.step == 10  # the step under way when the signal was seen is done
    assert trainer.state.batch == 3
    assert watch.ends == [False]
    assert signal.getsignal(number) == before
    watch.at = 0
    assert trainer.fit()
    reference = small_trainer()
    reference.fit()
    assert trainer.network.digest() == reference.network.digest()


def poison(name: str, value: float) -> Callable[[Trainer], None]:
    def act(trainer: Trainer) -> None:
        trainer.network.state()[name][...] = value

    return act


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("3.weight", 1e38, r"stopped at step 5: the output of layer 3 \(Conv2d\) is not finite"),
        ("0.weight", math.nan, "stopped at step 5: the weights are no longer finite"),
    ],
)
def test_a_loss_that_is_not_finite_names_step_and_layer(name: str, value: float, expected: str) -> None:
    watch = Watch(4, poison(name, value))
    trainer = small_trainer(callbacks=[watch])
    with np.errstate(all="ignore"), pytest.raises(NotFiniteError, match=expected):
        trainer.fit()
    assert watch.ends == [False]


class Breaks(Identity):
    """Its backward pass gives no numbers."""

    def backward(self, dy: Array) -> Array:
        return dy * np.float32(np.nan)


def test_a_gradient_that_is_not_finite_names_the_first_layer_that_has_it() -> None:
    def network() -> Layer:
        return Sequential(Flatten(), Linear(20), ReLU(), Linear(20), Breaks(), ReLU(), Linear(10))

    trainer = small_trainer(network=network)
    with pytest.raises(NotFiniteError, match=r"step 1: the gradient of 3\.bias is not finite"):
        trainer.fit()


class Threads(Alone):
    """Ranks that are threads of one process: sums in the order of the ranks."""

    def __init__(self, rank: int, barrier: threading.Barrier, table: list[Any]) -> None:
        self.rank, self.ranks, self.meeting, self.table = rank, barrier.parties, barrier, table

    def _exchange(self, value: Any) -> list[Any]:
        self.table[self.rank] = value
        self.meeting.wait(20)
        everybody = list(self.table)
        self.meeting.wait(20)
        return everybody

    def all_reduce(self, array: Array) -> Array:
        array[...] = sum(self._exchange(array.copy()))
        return array

    def all_gather(self, arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
        return [dict(each) for each in self._exchange(arrays)]


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_that_share_a_batch_train_as_one(ranks: int) -> None:
    recipe = small_recipe(precision="float64", epochs=2)
    alone = small_trainer(recipe)
    alone.fit()
    meeting, table = threading.Barrier(ranks), [None] * ranks
    trainers = [small_trainer(recipe, communicator=Threads(rank, meeting, table)) for rank in range(ranks)]
    threads = [threading.Thread(target=trainer.fit) for trainer in trainers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for trainer in trainers:
        assert trainer.network.digest() == trainers[0].network.digest()
        np.testing.assert_allclose(trainer.network.vector, alone.network.vector, rtol=0, atol=1e-10)
        for mine, theirs in zip(trainer.state.history, alone.state.history, strict=True):
            assert mine["test"] == pytest.approx(theirs["test"])
            assert mine["train"] == pytest.approx(theirs["train"])


def test_the_same_seed_gives_the_same_run_and_another_another() -> None:
    digests = []
    for seed in (1, 1, 2):
        trainer = small_trainer(small_recipe(seed=seed, epochs=1), network=layers)
        trainer.fit()
        digests.append(trainer.network.digest())
    assert digests[0] == digests[1] != digests[2]
