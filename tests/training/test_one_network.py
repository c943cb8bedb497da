"""An optimizer moves one network's weights; a sample alone has no statistics; a network that has died is told."""

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import nn
from pellucid.data.loader import Loader
from pellucid.errors import PellucidError
from pellucid.tasks import Classify
from pellucid.training import Trainer
from pellucid.training.callbacks.alive import Alive
from pellucid.training.schedules import Constant


def network(features: int = 2) -> pl.Network:
    return pl.Network(nn.Linear(features), (4,))


@pytest.mark.parametrize("kind", [pl.optim.Momentum, pl.optim.Nesterov, pl.optim.Adam, pl.optim.RMSprop])
def test_the_weights_of_another_network_of_the_same_size_are_refused(kind: Callable[..., Any]) -> None:
    """They were moved by what was kept of the first one's gradients."""
    one, other, optimizer = network(), network(), kind(0.1)
    for _ in range(2):
        optimizer.update(one.vector, one.gradient)
    before = other.vector.copy()
    with pytest.raises(PellucidError, match="expected the weights that it has moved before, got others"):
        optimizer.update(other.vector, other.gradient)
    np.testing.assert_array_equal(other.vector, before)
    optimizer.update(one.vector[:], one.gradient)  # another view of the same memory
    optimizer.load_state(optimizer.state())
    optimizer.update(other.vector, other.gradient)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))])
def test_a_copy_of_network_and_optimizer_goes_on(way: Callable[[Any], Any]) -> None:
    one, optimizer = network(), pl.optim.Adam(0.1)
    one.gradient[...] = 1
    optimizer.update(one.vector, one.gradient)
    twin, theirs = way((one, optimizer))
    for given, moves in ((one, optimizer), (twin, theirs)):
        given.gradient[...] = 0.5
        moves.update(given.vector, given.gradient)
    np.testing.assert_array_equal(one.vector, twin.vector)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float16"])
def test_a_second_trainer_goes_on_with_network_and_optimizer(kind: str) -> None:
    """The float32 copy of a network of 16 bits was another one for each trainer, and so refused."""
    given, optimizer = pooled().astype(kind), pl.optim.Adam(0.01)
    loader = Loader(images(12).train, 4, dtype=given.dtype)
    for _ in range(2):
        before = optimizer.steps
        assert Trainer(given, Classify(("0", "1")), loader, optimizer, Constant(), epochs=1).fit()
        assert optimizer.steps > before


def test_what_keeps_nothing_may_move_several() -> None:
    optimizer = pl.optim.SGD(0.1)
    for given in (network(2), network(3), network(2)):
        optimizer.update(given.vector, given.gradient)


def images(count: int) -> pl.data.Data:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 6, 6)).astype(np.uint8)
    return pl.data.arrays(pixels, np.arange(count) % 2, test=(pixels, np.arange(count) % 2))


def pooled() -> pl.Network:
    layers = nn.Conv2d(4), nn.GlobalAvgPool2d(flatten=False), nn.BatchNorm2d(), nn.Flatten(), nn.Linear(2)
    return pl.Network(nn.Sequential(*layers), (1, 6, 6))


@pytest.mark.parametrize(("count", "size"), [(9, 8), (9, 4), (4, 1), (17, 2)])
def test_a_sample_that_would_be_left_alone_is_said_before_the_first_step(count: int, size: int) -> None:
    given = pooled()
    before = given.digest()
    with pytest.raises(
        PellucidError, match=rf"batch size {size} of {count} samples: leaves one alone, of which layer 2"
    ):
        pl.fit(given, images(count), batch_size=size, epochs=1, verbosity=0)
    assert given.digest() == before


@pytest.mark.parametrize(("size", "epochs"), [(7, 1), (9, 1), (100, 1), (8, 0.5)])
def test_other_batch_sizes_train(size: int, epochs: float) -> None:
    assert pl.fit(pooled(), images(9), batch_size=size, epochs=epochs, verbosity=0).finished


def test_one_image_of_several_pixels_has_statistics() -> None:
    layers = nn.Conv2d(4), nn.BatchNorm2d(), nn.GlobalAvgPool2d(), nn.Linear(2)
    given = pl.Network(nn.Sequential(*layers), (1, 6, 6))
    assert pl.fit(given, images(9), batch_size=8, epochs=1, verbosity=0).finished


def rows() -> pl.data.Data:
    source = np.random.default_rng(0)
    return pl.data.arrays(source.normal(size=(300, 4)), np.arange(300) % 3)


def rectified() -> pl.Network:
    return pl.Network(nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(3)), (4,))


def test_a_network_that_is_dead_is_told_in_python_too(capsys: pytest.CaptureFixture[str]) -> None:
    given = rectified()
    given.parameters["0.bias"].value[...] = -1e3
    pl.fit(given, rows(), epochs=12, batch_size=16)
    said = capsys.readouterr().err
    assert said.count("silent: no unit of layer 1 is above 0") == 1
    assert said.count("nothing learnt: after") == 1


def test_a_network_that_dies_later_is_told_then(capsys: pytest.CaptureFixture[str]) -> None:
    """It was looked at once, after the first epoch."""
    data = rows()
    learnable = pl.data.arrays(np.asarray(data.train.inputs), np.asarray(data.train.inputs)[:, 0] > 0)
    given = pl.Network(nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(2)), (4,))

    def kill(trainer: Any, record: Any) -> None:
        if record["epoch"] == 12:
            assert not capsys.readouterr().err
            given.parameters["0.bias"].value[...] = -1e3
            given.parameters["2.bias"].value[...] = 0

    pl.fit(given, learnable, epochs=14, batch_size=16, verbosity=0, callbacks=[Alive(), kill],
           optimizer=pl.optim.SGD(0.05))  # fmt: skip
    assert "silent: no unit of layer 1" in capsys.readouterr().err


def few() -> pl.data.Data:
    """Of which an epoch has six steps, and there is something to learn."""
    inputs = np.random.default_rng(0).normal(size=(120, 4))
    return pl.data.arrays(inputs, inputs[:, :3].argmax(axis=1))


@pytest.mark.parametrize(
    ("rate", "change", "said"),
    [
        (1e-9, None, r"nothing learnt: after 6 steps the loss is 1\.\d+, .* is 1\.099, and at this pace it would "),
        (1e-3, ("0.bias", -1e3), r"silent: no unit of layer 1 is above 0 for any of 16 images"),
        (1e-5, ("2.weight", 0.0), r"nothing learnt: after 6 steps .*, and the outputs for 16 images are all alike"),
    ],
)
def test_it_is_told_after_the_first_epoch_of_few_steps(
    capsys: pytest.CaptureFixture[str], rate: float, change: tuple[str, float] | None, said: str
) -> None:
    given = rectified()
    if change is not None:
        name, value = change
        given.parameters[name].value[...] = value

    def look(trainer: Any, record: Any) -> None:
        if record["epoch"] == 1:
            assert re.search(said, capsys.readouterr().err)

    pl.fit(
        given, few(), epochs=12, batch_size=16, verbosity=0, callbacks=[Alive(), look], optimizer=pl.optim.SGD(rate)
    )
    assert "nothing learnt" not in capsys.readouterr().err  # only once


@pytest.mark.parametrize("rate", [0.003, 0.3])
def test_a_network_that_learns_slowly_is_told_nothing_early(capsys: pytest.CaptureFixture[str], rate: float) -> None:
    """Its first epoch's loss is still that of guessing."""
    given = rectified()
    given.parameters["2.weight"].value[...] *= 0.1
    pl.fit(given, few(), epochs=12, batch_size=16, verbosity=0, callbacks=[Alive()], optimizer=pl.optim.SGD(rate))
    assert not capsys.readouterr().err


def test_a_look_changes_nothing() -> None:
    """The weights, running means and dropout of a training that was looked at are those of one that was not."""
    found = []
    for callbacks in ([], [Alive()]):
        layers = nn.Conv2d(4), nn.BatchNorm2d(), nn.ReLU(), nn.GlobalAvgPool2d(), nn.Dropout(0.5), nn.Linear(2)
        given = pl.Network(nn.Sequential(*layers), (1, 6, 6))
        pl.fit(given, images(9), batch_size=4, epochs=2, verbosity=0, callbacks=callbacks)
        found.append(given.digest())
    assert found[0] == found[1]
