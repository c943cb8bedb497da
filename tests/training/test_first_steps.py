"""What is said of a network that doesn't learn, and which learning rate is suggested."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import cli
from pellucid.data import Data, Dataset
from pellucid.errors import PellucidError
from pellucid.recipes import build_trainer, load_recipe
from pellucid.training import Trainer
from pellucid.training.callbacks import Alive
from pellucid.training.find_rate import Rising, find_rate, smoothed, suggested
from small_runs import digits, one_thread_of_numpy, write_digits


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


def trainer(data: Data, **options: object) -> Trainer:
    keys = {
        "network.name": "plain-convnet", "network.widths": [4], "network.kernels": [3], "training.batch_size": 2,
        "schedule.name": "constant", "task.label_smoothing": 0.0, "augmentation.shift": 0,
    }  # fmt: skip
    built = build_trainer(load_recipe("pictures", keys | {k.replace("__", "."): v for k, v in options.items()}), data)
    built.callbacks = [Alive()]
    return built


def noise(classes: int = 8) -> Data:
    """Images that tell nothing of their labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (240, 1, 8, 8)).astype(np.uint8)
    dataset = Dataset(images, rng.integers(0, classes, 240), tuple(map(str, range(classes))), "noise")
    return Data(dataset, None, dataset.subset(range(8)))


def test_a_network_that_only_guesses_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(noise(), training__epochs=2, optimizer__rate=1e-6).fit()
    said = capsys.readouterr().err
    assert said.startswith("nothing learnt: after 120 steps the loss is 2.") and "8 classes is 2.079" in said
    assert said.count("\n") == 1


def test_a_dead_layer_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    dead = trainer(noise(), training__epochs=1, optimizer__rate=1e-6)
    bias = next(value for name, value in dead.network.state().items() if name.endswith("bias"))
    bias[...] = -1e3
    dead.fit()
    assert capsys.readouterr().err.startswith("silent: no unit of layer 1 is above 0 for any of 2 images")


def test_one_that_learns_and_one_that_has_hardly_begun_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(digits(), training__epochs=1, optimizer__rate=3e-3).fit()
    trainer(noise(), training__epochs=1, training__batch_size=60, optimizer__rate=3e-3).fit()
    assert capsys.readouterr().err == ""


def test_few_steps_at_a_rate_that_never_gets_anywhere_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(noise(), training__epochs=1, training__batch_size=60, optimizer__rate=1e-6).fit()
    assert "after 4 steps" in capsys.readouterr().err


def test_rates_rise_by_the_same_factor() -> None:
    schedule = Rising(5, 1, low=1e-4)
    np.testing.assert_allclose([schedule(step) for step in range(5)], [1e-4, 1e-3, 1e-2, 1e-1, 1])


def test_the_suggestion_is_where_the_loss_has_fallen_half_way() -> None:
    rates = np.geomspace(1e-5, 10, 100)
    curve = 2 - np.clip(np.log10(rates) + 3, 0, 3) / 3 + np.where(rates > 1, 5 * np.log10(rates), 0)
    raw = np.empty(100)  # losses whose running mean is that curve
    for step in range(100):
        weights = 0.1 * 0.9 ** np.arange(step, -1, -1)
        norm = 1 - 0.9 ** (step + 1)
        raw[step] = (curve[step] * norm - (weights[:-1] * raw[:step]).sum()) / weights[-1]
    np.testing.assert_allclose(smoothed(raw.tolist()), curve, atol=1e-8)
    found = suggested(rates, raw.tolist())
    assert found.least == pytest.approx(1, rel=0.15)
    assert found.suggestion == pytest.approx(10**-1.5, rel=0.15)
    with pytest.raises(PellucidError, match="never falls"):
        suggested(rates, [2.0] * 100)
    with pytest.raises(PellucidError, match="exploded within the first steps"):
        suggested(rates[:4], [2.0, 3.0, 50.0, 1e9])


def test_a_trial_ends_where_the_loss_explodes_and_a_suggested_rate_learns() -> None:
    trial = trainer(digits(), training__batch_size=16)
    found = find_rate(trial, 60, 1e-5, 100.0)
    assert len(found.rates) < 60 and 1e-4 < found.suggestion < found.least < 5
    learner = trainer(digits(), training__batch_size=16, training__epochs=4, optimizer__rate=found.suggestion)
    learner.fit()
    assert learner.state.history[-1]["train"]["accuracy"] > 0.6
    with pytest.raises(PellucidError, match="20 steps or more"):
        find_rate(trial, 3)


def test_the_command_draws_and_suggests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    write_digits(tmp_path / "digits", 200, 10)
    small = ("--set", "network.name=plain-convnet", "--set", "network.widths=[4]", "--batch-size", "16")
    assert cli.main(["find-rate", "--data", "digits", *small, "--backend", "numpy", "--steps", "40"]) == 0
    assert capsys.readouterr().out.startswith("suggested: --rate ")
    assert Image.open("find-rate.png").width > 400
