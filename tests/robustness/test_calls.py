"""A short part of the campaign of Python calls, always the same ones; and what it has found."""

from random import Random
from typing import Any

import numpy as np
import pytest
from robustness.attempts import REFUSED, RIGHT
from robustness.calls import CALLERS, Calls
from robustness.op_calls import NAMES, drawn

import pellucid as pl
from pellucid import ops
from pellucid.errors import InputError, PellucidError

CALLS = {"ops": 60, "layers": 60, "networks": 20, "front": 60}  # a network may have kernels compiled for it


@pytest.mark.parametrize("name", CALLERS)
def test_every_call_is_right_or_says_why_not_in_one_line(name: str) -> None:
    calls, kinds = Calls(name), set()
    for seed in range(CALLS[name]):
        outcome = calls.attempt(seed)
        assert outcome.kind in {RIGHT, REFUSED}, f"seed {seed}: {outcome.said}"
        kinds.add(outcome.kind)
    assert RIGHT in kinds
    assert (REFUSED in kinds) == (name != "networks")  # where what is drawn fits, and has to be taken


class NoSample(Random):
    """Draws as ever, but 0 where the number of samples is drawn."""

    def randint(self, a: int, b: int) -> int:
        return 0 if (a, b) == (0, 3) else super().randint(a, b)


@pytest.mark.parametrize("name", [name for name in NAMES if "norm" in name])
def test_norms_take_a_batch_of_none(name: str) -> None:
    """The compiled norm of groups ended in an error of NumPy's."""
    arguments = drawn(name, NoSample(name))
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend), np.errstate(all="ignore"):
            getattr(ops, name)(*arguments)


def table(outputs: int) -> pl.data.Data:
    X = np.random.default_rng(0).normal(size=(20, 3))
    return pl.data.arrays(X, X[:, :outputs])


def test_what_several_numbers_say_can_be_shown() -> None:
    for outputs in (1, 2, 3):
        data = table(outputs)
        model = pl.fit(pl.Network(pl.nn.Linear(outputs), (3,)), data, epochs=1, verbosity=0).model
        assert repr(model.predict(np.zeros(3))).count("0") >= outputs
        assert model.predict(np.zeros((2, 3)))._repr_html_()


def test_a_test_part_is_two_arrays() -> None:
    X, y = np.zeros((10, 3)), np.arange(10) % 2
    for test in ((X,), (), (X, y, y)):
        with pytest.raises(InputError, match=rf"test: expected a fraction, .* got {len(test)} parts"):
            pl.data.arrays(X, y, test=test)  # type: ignore[arg-type]


def test_a_picture_for_a_network_of_other_channels_is_refused() -> None:
    from PIL import Image

    X = np.random.default_rng(0).integers(0, 256, (10, 6, 6, 6)).astype(np.uint8)
    data = pl.data.arrays(X, np.arange(10) % 2, layout="NCHW")
    net = pl.Network(pl.nn.Sequential(pl.nn.Flatten(), pl.nn.Linear(2)), data.shape)
    model = pl.fit(net, data, epochs=1, verbosity=0).model
    with pytest.raises(InputError, match="expected images of 6 channels, got a picture, which has 1 or 3"):
        model.predict(Image.new("RGB", (6, 6)))
    with pytest.raises(InputError, match="rows that differ in shape"):
        model.predict([[1], [1, 2]])  # type: ignore[arg-type]


ODD: list[tuple[dict[str, Any], str]] = [
    ({"network": 1}, "network"), ({"network": lambda outputs: None}, "network: expected a layer"),
    ({"network": []}, "network"), ({"optimizer": np.zeros(2)}, "optimizer"), ({"optimizer": "x"}, "optimizer"),
    ({"batch_size": ""}, "batch_size"), ({"batch_size": (3, 3)}, "batch_size"), ({"batch_size": 0}, "batch size"),
    ({"early_stopping": 3.0}, "early_stopping"), ({"random_state": "x"}, "random_state"),
    ({"random_state": -1}, "Seed"), ({"early_stopping": True, "validation_fraction": 7.5}, "test_size"),
    ({"rate": float("nan")}, "rate"), ({"epochs": "2"}, "epochs"), ({"layout": 3}, "layout"),
    ({"weight_decay": [1, 2]}, "weight_decay"), ({"image_shape": (1, 2.5)}, "image_shape"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "said"), ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("kind", ["ConvNetClassifier", "ConvNetRegressor", "ConvNetTransformer"])
def test_an_estimators_odd_parameters_are_refused_when_it_fits(kind: str, options: dict[str, Any], said: str) -> None:
    sklearn = pytest.importorskip("pellucid.sklearn")
    X, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    with pytest.raises(PellucidError, match=said) as caught:
        getattr(sklearn, kind)(**{"epochs": 1, **options}).fit(X, y)
    assert str(caught.value).isprintable()


def test_a_regressors_targets_are_numbers() -> None:
    sklearn = pytest.importorskip("pellucid.sklearn")
    with pytest.raises(InputError, match="could not convert string to float"):
        sklearn.ConvNetRegressor(epochs=1).fit(np.zeros((6, 2)), np.array(list("abcabc")))


TARGETS = {
    "labels": np.arange(12) % 3, "numbers": np.arange(36).reshape(12, 3) / 36,
    "masks": np.arange(432).reshape(12, 6, 6) % 3,
}  # fmt: skip


@pytest.mark.parametrize(("task", "targets", "said"), [
    ("segment", "labels", r"task segment: expected masks as targets, arrays has int64 \(10,\)"),
    ("segment", "numbers", r"task segment: expected masks as targets, arrays has float32 \(10, 3\)"),
    ("classify", "masks", r"task classify: expected no masks as targets, arrays has int64 \(10, 6, 6\)"),
    ("regress", "masks", "task regress: expected no masks as targets"),
    ("detect", "labels", r"task detect: expected boxes as targets, arrays has int64 \(10,\)"),
    ("detect", "masks", "task detect: expected boxes as targets"),
])  # fmt: skip
def test_a_task_takes_its_own_targets(task: str, targets: str, said: str) -> None:
    """Segmentation of rows with labels ended in an IndexError, others in what the loss had to say."""
    for X, layers in ((np.zeros((12, 6, 6)), [pl.nn.Conv2d(8, 1)]), (np.zeros((12, 5)), [pl.nn.Linear(3)])):
        if X.ndim == 2 and targets == "masks":
            continue
        data = pl.data.arrays(X, TARGETS[targets])
        network = pl.Network(pl.nn.Sequential(*layers), data.shape)
        with pytest.raises(PellucidError, match=said):
            pl.fit(network, data, epochs=1, verbosity=0, task=task)


def test_what_a_run_and_a_model_are_asked() -> None:
    """Parts, data, numbers of images and bits that are none; measures as an array."""
    X = np.random.default_rng(0).integers(0, 256, (12, 6, 6)).astype(np.uint8)
    data = pl.data.arrays(X, np.arange(12) % 3)
    network = pl.Network(pl.nn.Sequential(pl.nn.Flatten(), pl.nn.Linear(3)), data.shape)
    run = pl.fit(network, data, epochs=1, verbosity=0, metrics=np.array([]))  # type: ignore[arg-type]
    assert "f1" in pl.fit(network, data, epochs=1, verbosity=0, metrics=np.array(["f1"])).evaluate()  # type: ignore[arg-type]
    parts: list[Any] = [None, 0, [], ["test"], np.zeros(2), "x"]
    for odd in parts:
        with pytest.raises(InputError, match="evaluate: expected a part of the data, got"):
            run.evaluate(odd)
        with pytest.raises(InputError, match=r"evaluate: data = .*, expected a Data or a Dataset"):
            run.model.evaluate(odd)
    counts: list[Any] = ["x", None, np.zeros(0), 3.0, [1]]
    for odd in counts:
        for page in (run.page, lambda **given: run.model.page(data, **given)):
            with pytest.raises(InputError, match=r"page: images = .*, expected a whole number"):
                page(images=odd)
            if odd is not None:
                with pytest.raises(InputError, match=r"page: bits = .*, expected a whole number or None"):
                    page(bits=odd)


@pytest.mark.parametrize("y", [np.zeros((4, 6, 0), np.uint8), np.zeros((4, 0, 6), np.uint8), np.zeros((4, 0))])
def test_targets_hold_something(y: Any) -> None:
    with pytest.raises(InputError, match="y: expected at least one number a sample, got shape"):
        pl.data.arrays(np.zeros((4, 6, 6)), y)


@pytest.mark.parametrize("task", ["classify", "labels", "regress"])
def test_a_task_of_whole_images_takes_no_boxes(task: str) -> None:
    """What was said was of a sequence of 64 dimensions."""
    data = pl.data.load_boxed(scenes={"train": 24, "test": 2})
    layers = pl.nn.Sequential(pl.nn.Conv2d(4), pl.nn.GlobalAvgPool2d(), pl.nn.Linear(len(data.class_names)))
    with pytest.raises(PellucidError, match=f"task {task}: expected no boxes as targets, .* has Boxes"):
        pl.fit(pl.Network(layers, data.shape), data, epochs=1, verbosity=0, task=task)
