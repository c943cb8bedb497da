"""Recipes: read, overridden, refused, written back; and what runs by them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.recipes import (
    DEFAULT,
    Recipe,
    build_trainer,
    list_recipes,
    load_recipe,
    open_model,
    recipe_toml,
    resume_run,
    start_run,
)
from pellucid.recipes.load import parse_recipe
from pellucid.recipes.near_keys import WORDS, known_keys, meant
from pellucid.training import Callback, Trainer
from pellucid.training.callbacks.history import read_history
from small_runs import digits, one_thread_of_numpy

CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "numbers": {"optimizer.rate": 1e-05, "training.epochs": 1.5, "training.seed": 7},
    "texts": {"description": 'a "quoted" \\ line', "data.source": "ordner/äöü"},
    "lists": {"data.size": (28, 30), "data.mean": (0.5, 0.25), "task.class_weights": [1.0, 2.0]},
    "choices": {"optimizer.name": "nesterov", "optimizer.momentum": 0.8, "schedule.name": "step"},
    "augmentation": {"augmentation.shift": 2, "augmentation.erase": 6},
}


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


@pytest.mark.parametrize("name", list_recipes())
def test_the_packages_recipes_are_whole(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    (tmp_path / "again.toml").write_text(recipe_toml(recipe), "utf-8")
    assert load_recipe(tmp_path / "again.toml") == recipe


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_a_recipe_written_and_read_is_the_same(changes: dict[str, Any], tmp_path: Path) -> None:
    recipe = load_recipe(DEFAULT, changes)
    (tmp_path / "recipe.toml").write_text(recipe_toml(recipe), "utf-8")
    assert load_recipe(tmp_path) == recipe
    if changes:
        assert recipe != load_recipe(DEFAULT)


def test_overrides_may_be_text_and_a_new_choice_drops_the_old_ones_options() -> None:
    recipe = load_recipe("deep-convnet", {"optimizer.rate": "2e-3", "data.source": "some/folder", "data.size": "8,9"})
    assert recipe.optimizer["rate"] == 0.002
    assert recipe.data.source == "some/folder"
    assert recipe.data.size == (8, 9)
    rate = load_recipe("deep-convnet").optimizer["rate"]
    assert load_recipe("deep-convnet", {"optimizer.name": "sgd"}).optimizer == {"name": "sgd", "rate": rate}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("optimizer.name", "adamm", r"unknown optimizer\.name 'adamm'; nearest is adam \(there are sgd, momentum"),
        ("optimizer.rat", 1, r"unknown key optimizer\.rat.*; nearest is rate"),
        ("optimizer.rate", "fast", r"optimizer\.rate = 'fast': expected `float`, got `str`"),
        ("optimizer.rate", -1, r"AdamW: rate = -1"),
        ("schedule.name", "one-cycl", r"unknown schedule\.name 'one-cycl'; nearest is one-cycle"),
        ("schedule.peak", 2.0, r"schedule one-cycle: peak = 2\.0"),
        ("network.name", "deep-convnets", r"unknown network\.name 'deep-convnets'; nearest is deep-convnet"),
        ("network.drop", 0.1, r"unknown key 'network\.drop' for .*: did you mean network\.dropout"),
        ("task.name", "clasify", r"unknown task\.name 'clasify'; nearest is classify"),
        (
            "training.precision",
            "float8",
            r"training\.precision: invalid .*'float8': expected one of float64, float32, ",
        ),
        ("training.weight_bits", 5, r"training\.weight_bits: invalid .* 5: expected one of 0, 2, 4, 8"),
        ("task.class_weights", "even", r"task\.class_weights = 'even'.*: expected one of balanced"),
        ("training.epoch", 2, r"unknown key 'training\.epoch'; nearest is epochs"),
        ("augmentation.shft", 1, r"unknown key 'augmentation\.shft'; nearest is shift"),
        ("lr", 3, r"unknown key 'lr': did you mean optimizer\.rate\?"),
        ("learning_rate", 3, r"unknown key 'learning_rate': did you mean optimizer\.rate\?"),
        ("batch", 3, r"unknown key 'batch': did you mean training\.batch_size\?"),
        ("rate", 3, r"unknown key 'rate': did you mean optimizer\.rate\?"),
        ("size", 3, r"unknown key 'size': did you mean crop\.size or data\.size\?"),
        ("momentm", 0, r"unknown key 'momentm': did you mean optimizer\.momentum\?"),
        ("training.lr", 3, r"unknown key 'training\.lr': did you mean optimizer\.rate\?"),
        (
            "optimizer.batch_size",
            3,
            r"unknown key 'optimizer\.batch_size' for adamw: did you mean training\.batch",
        ),
        ("schedule.flip", True, r"unknown key 'schedule\.flip' for one-cycle: did you mean crop\.flip\?"),
        ("schedule.epochs", 3, r"unknown key 'schedule\.epochs' for one-cycle: did you mean training\.epochs\?"),
        ("network.stem", 3, r"unknown key 'network\.stem' for deep-convnet(?!.*did you mean network\.stem)"),
        ("network.arch", "x", r"unknown key 'network\.arch' for deep-convnet: did you mean network\.name\?"),
        ("x" * 3000, 3, r"unknown key 'x+ \.\.\. "),
        ("data.size", "64x48", r"data\.size = '64x48': expected \[height, width\], such as \[64, 48\]"),
        ("data.size", "1,2,3", r"data\.size = \[1, 2, 3\]: expected \[height, width\]"),
        ("data.mean", "half", r"data\.mean = 'half': expected a list"),
        ("training.epochs", "many", r"training\.epochs: expected `float`, got `str`"),
        ("training.epochs", 0, r"training\.epochs = 0\.0: expected more than 0"),
        ("training.batch_size", -3, r"training\.batch_size = -3"),
        ("training.precision", "float31", r"training\.precision: invalid enum value 'float31'"),
        ("trainin.epochs", 2, r"unknown key 'trainin'; nearest is training"),
        ("augmentation.rotate", 500, r"augmentation rotate = 500\.0: expected 0 \.\. 180"),
        ("name.first", 1, r"override name\.first: name is no section"),
        ("network", 3, r"network: expected `object`, got `int`"),
    ],
)
def test_a_mistake_names_file_and_key_and_the_nearest(key: str, value: Any, expected: str) -> None:
    with pytest.raises(PellucidError, match=f"^deep-convnet: {expected}") as caught:
        load_recipe("deep-convnet", {key: value})
    assert "\n" not in str(caught.value)


def test_words_that_others_use_stand_forknown_keys_that_there_are() -> None:
    keys = known_keys()
    assert set(WORDS) <= set(keys)
    words = [word for some in WORDS.values() for word in some]
    assert len(words) == len(set(words))
    for key, some in WORDS.items():
        for word in some:
            assert key in meant(word)


def test_files_that_are_no_recipes_are_named(tmp_path: Path) -> None:
    for content, expected in (
        (b"[network\n", r"x\.toml: Expected"),
        (b"\xff\xfe", r"x\.toml: not TOML, no UTF-8"),
        (b"", r"x\.toml: Object missing required field `network`"),
        (b"[network]\n[optimizer]\nname='sgd'\nrate=1", r"x\.toml: \[network\] has no name"),
        (
            b"[network]\nname='deep-convnet'\n[optimizer]\nname='sgd'",
            r"x\.toml: \[optimizer\] has no rate, which sgd",
        ),
    ):
        (tmp_path / "x.toml").write_bytes(content)
        with pytest.raises(PellucidError, match=expected):
            load_recipe(tmp_path / "x.toml")
    with pytest.raises(PellucidError, match=r"cannot read .*none\.toml: No such file"):
        load_recipe(tmp_path / "none.toml")
    with pytest.raises(PellucidError, match="unknown recipe 'deep-convnett'; nearest is deep-convnet"):
        load_recipe("deep-convnett")


def tiny(**changes: Any) -> Recipe:
    return load_recipe("deep-convnet", {"training.epochs": 2, "training.batch_size": 16, **changes})


class Stop(Callback):
    def step(self, trainer: Trainer, loss: float) -> None:
        if trainer.state.step == 5:
            raise KeyboardInterrupt


def test_a_run_leaves_its_folder_and_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trainer, run = start_run(tiny(), data=digits(60, 20))
    assert trainer.fit()
    assert Path("runs/last").resolve() == run.path.resolve()
    assert run.path.name.endswith("-deep-convnet")
    assert {path.name for path in run.path.iterdir()} == {
        "recipe.toml", "history.jsonl", "curve.png", "model.safetensors", "best.safetensors",
        "checkpoint.safetensors",
    }  # fmt: skip
    assert load_recipe(Path("runs/last")) == tiny()
    assert read_history(run.history) == trainer.state.history
    model = open_model(Path("runs/last"))
    with trainer.final_weights() as network:
        assert model.network.digest() == network.digest()
    assert model.class_names == tuple("0123456789")
    assert model.image_shape == (1, 28, 28)
    assert open_model(run.best, best=True).recipe == tiny()
    with pytest.raises(PellucidError, match="nothing to resume, all 2 epochs are done"):
        resume_run(Path("runs/last"), data=digits(60, 20))
    with pytest.raises(PellucidError, match="exists: expected a new or empty folder"):
        start_run(tiny(), run.path, data=digits(60, 20))
    _, second = start_run(tiny(), data=digits(60, 20))
    assert second.path != run.path
    assert Path("runs/last").resolve() == second.path.resolve()


def test_a_run_broken_off_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole, _ = start_run(tiny(), Path("whole"), data=digits(60, 20))
    whole.fit()
    broken, run = start_run(tiny(), Path("broken"), data=digits(60, 20), callbacks=[Stop()])
    with pytest.raises(KeyboardInterrupt):
        broken.fit()
    with pytest.raises(PellucidError, match="no run nowhere: expected a run folder"):
        open_model(Path("nowhere"))
    resumed, _ = resume_run(Path("runs/last"), data=digits(60, 20))
    assert resumed.state.step > 0
    assert resumed.fit()
    assert resumed.network.digest() == whole.network.digest()
    assert [record["test"] for record in read_history(run.history)] == [
        record["test"] for record in whole.state.history
    ]


def test_what_is_no_run_or_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PellucidError, match=r"no run runs/last \(nothing was trained here yet\)"):
        open_model(Path("runs/last"))
    trainer, run = start_run(tiny(), data=digits(60, 20))
    with pytest.raises(PellucidError, match=r"no model\.safetensors yet"):
        open_model(run.path)
    for callback in trainer.callbacks:
        callback.start(trainer)
        callback.end(trainer, False)
    with pytest.raises(PellucidError, match="expected a 'pellucid model 1', got 'pellucid checkpoint 1'"):
        open_model(run.checkpoint)


def test_the_recipe_decides_the_float_type() -> None:
    trainer = build_trainer(tiny(**{"training.precision": "float64"}), digits(60, 20))
    assert trainer.network.vector.dtype == np.float64
    assert next(trainer.loader.epoch(0)).inputs.dtype == np.float64


def test_characters_beyond_the_first_plane_survive() -> None:
    recipe = tiny(description="\N{GRINNING FACE} \x7f \\")
    assert parse_recipe(recipe_toml(recipe), "text") == recipe


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"training.epochs": float("nan")}, "training.epochs = nan: expected more than 0"),
        ({"training.epochs": float("inf")}, "training.epochs = inf"),
        ({"training.clip": -1.0}, "training.clip = -1.0: expected 0 or more"),
        ({"data.validation": float("nan")}, "data.validation = nan"),
        ({"data.std": [0.0]}, "data.std = [0.0]: expected numbers above 0"),
        ({"name": "../evil"}, "name = '../evil': expected a plain name"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(PellucidError) as caught:
        load_recipe("deep-convnet", changes)
    assert expected in str(caught.value)


def test_what_does_not_fit_is_found_before_a_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PellucidError, match=r"data.mean: expected 1 number, one a channel of .*, got 3"):
        start_run(load_recipe("deep-convnet", {"data.mean": [1, 2, 3]}), data=digits(60, 20))
    with pytest.raises(PellucidError, match=r"task classify: expected outputs of 10 .*, network fcn8 gives 10x28x28"):
        start_run(load_recipe("deep-convnet", {"network.name": "fcn8"}), data=digits(60, 20))
    assert not Path("runs").exists()


def test_a_run_that_started_from_another_goes_on_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, run = start_run(tiny(), Path("first"), data=digits(60, 20))
    first.fit()
    recipe = tiny(**{"training.start_from": str(run.path), "training.checkpoint_seconds": 0})
    second, broken = start_run(recipe, Path("second"), data=digits(60, 20), callbacks=[Stop()])
    with pytest.raises(KeyboardInterrupt):
        second.fit()
    shutil.rmtree(run.path)
    resumed, _ = resume_run(broken.path, data=digits(60, 20))
    assert resumed.fit()


def test_a_model_without_checkpoint_is_not_trained_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trainer, run = start_run(tiny(), data=digits(60, 20))
    trainer.fit()
    run.checkpoint.unlink()
    before = run.model.read_bytes()
    with pytest.raises(PellucidError, match="a model but no checkpoint to go on from"):
        resume_run(run.path, data=digits(60, 20))
    assert run.model.read_bytes() == before


def test_a_rounding_network_starts_from_one_that_does_not_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, run = start_run(tiny(), Path("first"), data=digits(60, 20))
    first.fit()
    recipe = tiny(**{"training.start_from": str(run.path), "training.weight_bits": 4})
    second, _ = start_run(recipe, Path("second"), data=digits(60, 20))
    plain, rounding = open_model(run.path).network.parameters, second.network.parameters
    for name, parameter in plain.items():
        assert (rounding[name].value == parameter.value).all(), name


def test_a_seed_may_be_any_whole_number() -> None:
    assert load_recipe("deep-convnet", {"training.seed": 1 << 60}).training.seed == 1 << 60


@pytest.mark.parametrize(("option", "value", "name"), [
    ("optimizer.beta1", 0.8, "adam"), ("optimizer.momentum", 0.8, "nesterov"), ("schedule.factor", 0.3, "step"),
    ("network.dropout", 0.3, "mobilenet-v2"), ("task.label_smoothing", 0.1, "classify"),
])  # fmt: skip
def test_options_set_before_the_name_they_belong_to(option: str, value: float, name: str) -> None:
    """They were dropped with the old choice's, in silence."""
    section, key = option.split(".")
    found = [load_recipe("deep-convnet", dict(pairs)) for pairs in (
        [(option, value), (f"{section}.name", name)], [(f"{section}.name", name), (option, value)],
    )]  # fmt: skip
    assert found[0] == found[1]
    assert getattr(found[0], section)[key] == value
    other = "sgd" if section == "optimizer" else "constant" if section == "schedule" else None
    if other:
        with pytest.raises(PellucidError, match=rf"unknown key .*{key}.* for {other}"):
            load_recipe("deep-convnet", {option: value, f"{section}.name": other})
