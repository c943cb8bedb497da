"""Sixteen-bit networks: what is stored has 16 bits, what is summed has 32, and training survives both."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Concat, Residual, Sequential
from pellucid.layers import (
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    GlobalAvgPool2d,
    Identity,
    Layer,
    Linear,
    MaxPool2d,
    ReLU,
    SiLU,
    training,
)
from pellucid.network import Network
from pellucid.ops import half
from pellucid.ops.arrays import Array
from pellucid.ops.formats import FORMATS, float_type
from pellucid.training import Callback, Record, Trainer, load_checkpoint, save_checkpoint
from pellucid.training.loss_scale import GROWTH_STEPS, LARGEST, SMALLEST, START, LossScale
from pellucid.training.master_weights import HalfWeights, trained_weights
from small_runs import small_recipe, small_trainer

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def every_layer() -> Layer:
    return Sequential(
        Conv2d(8, 3, padding=1, bias=False), BatchNorm2d(), ReLU(), MaxPool2d(2), Conv2d(8, 3, groups=8), SiLU(),
        AvgPool2d(3, stride=2, padding=1), Residual(Sequential(Conv2d(8, 1), ReLU())), ConvTranspose2d(4, 3),
        Concat(Identity(), Conv2d(3, 1)), GlobalAvgPool2d(), Dropout(0.2), Linear(9), ReLU(), Linear(5),
    )  # fmt: skip


def stored_arrays(layer: Layer) -> list[Array]:
    """Every array of floats that a layer keeps for its backward."""
    kept = [value for value in vars(layer).values() if isinstance(value, np.ndarray) and value.dtype.kind != "u"]
    return [array for array in kept if array.dtype != bool]


@pytest.mark.parametrize("kind", HALVES, ids=str)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_close_to_float32_and_stored_in_16_bits(
    backend: str, kind: np.dtype[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half, "PART_BYTES", 1 << 15)  # so that a batch goes through in parts
    rng = np.random.default_rng(0)
    network = Network(every_layer(), (2, 20, 18))
    x, dy = rng.uniform(0, 1, (40, 2, 20, 18)).astype(kind), rng.normal(size=(40, 5)).astype(kind)
    with ops.use_backend(backend):
        small = network.astype(kind)
        network.load_state(small.state())  # the same rounded weights
        outputs = []
        for net in (network, small):
            y = net.forward(x.astype(net.dtype), training(np.random.default_rng(1)))
            images = [array for layer in net.layers() for array in stored_arrays(layer) if array.ndim == 4]
            net.backward(dy.astype(net.dtype))
            outputs.append(y.astype(np.float32))
    units = 2.0**-10 if kind == np.float16 else 2.0**-7
    exact, rounded = outputs
    assert np.abs(rounded - exact).max() < 4 * units * np.abs(exact).max()
    difference = np.linalg.norm(small.gradient.astype(np.float32) - network.gradient)
    assert difference < 8 * units * np.linalg.norm(network.gradient)

    assert small.vector.dtype == small.gradient.dtype == kind
    assert small.vector.nbytes * 2 == network.vector.nbytes
    assert small.statistics.dtype == np.float32  # running means would stand still in bfloat16
    assert images  # of the last one, the small
    assert {array.dtype for array in images} == {kind}


def test_activations_take_half_the_memory() -> None:
    sizes = {}
    for name in ("float32", "bfloat16"):
        network = Network(every_layer(), (2, 20, 18), dtype=float_type(name))
        network.forward(np.zeros((40, 2, 20, 18), network.dtype), training(np.random.default_rng(1)))
        kept = {id(a): a.nbytes for layer in network.layers() for a in stored_arrays(layer) if a.ndim == 4}
        sizes[name] = sum(kept.values())
    assert sizes["bfloat16"] * 2 == sizes["float32"]


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, array_shapes(max_dims=4), elements=st.floats(width=32)), st.booleans())
def test_every_backend_rounds_to_the_nearest_even(x: Array, turned: bool) -> None:
    x = x.T if turned else x
    for kind in HALVES:
        with np.errstate(all="ignore"):
            expected = x.astype(kind)
        for backend in ("numpy", "numba"):
            with ops.use_backend(backend):
                narrow = ops.narrow(x, kind)
                wide = ops.widen(narrow)
            assert narrow.dtype == kind
            np.testing.assert_array_equal(narrow.astype(np.float32), expected.astype(np.float32))
            np.testing.assert_array_equal(wide, expected.astype(np.float32))


def test_every_16_bit_number_is_widened_exactly() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    for kind in HALVES:
        with ops.use_backend("numba"):
            wide = ops.widen(bits.view(kind))
            np.testing.assert_array_equal(wide, bits.view(kind).astype(np.float32))


class _AfterTheFirstEpoch(Callback):
    """Saves a checkpoint then."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def epoch(self, trainer: Trainer, record: Record) -> None:
        if not self.path.exists():
            save_checkpoint(self.path, trainer)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_training_learns_and_resumes_bit_for_bit(precision: str, tmp_path: Path) -> None:
    recipe = small_recipe(precision=precision)
    kind = float_type(precision)
    with ops.use_backend("numpy"):
        whole = small_trainer(recipe)
        assert whole.fit()
        assert isinstance(whole.weights, HalfWeights)
        assert whole.network.vector.dtype == kind
        assert whole.weights.vector.dtype == np.float32
        np.testing.assert_array_equal(whole.network.vector, whole.weights.vector.astype(kind))
        assert whole.state.history[-1]["train"]["loss"] < whole.state.history[0]["train"]["loss"]

        first = small_trainer(recipe)
        first.callbacks = [*first.callbacks, _AfterTheFirstEpoch(tmp_path / "c.safetensors")]
        assert first.fit()
        second = small_trainer(recipe)
        load_checkpoint(tmp_path / "c.safetensors", second)
        assert second.fit()
    np.testing.assert_array_equal(second.weights.vector, whole.weights.vector)


def test_small_steps_add_up_in_the_copy_although_16_bits_cannot_hold_them() -> None:
    network = Network(Linear(1), (4,), dtype=ml_dtypes.bfloat16)
    network.vector[:] = 1
    weights = trained_weights(network)
    for _ in range(64):
        weights.update(lambda w, g: ops.sgd_update(w, g, 1e-3), np.ones(network.vector.size, np.float32))
    np.testing.assert_allclose(network.vector.astype(np.float32), 1 - 64e-3, atol=2.0**-8)


def test_loss_scale_keeps_small_gradients_alive() -> None:
    network = Network(Linear(1, bias=False), (1,), dtype=np.float16)
    weights = trained_weights(network)
    network.forward(np.ones((1, 1), np.float16), training())
    network.backward(weights.to_backward(np.full((1, 1), 1e-9, np.float32)))  # float16 ends at 6e-8
    np.testing.assert_allclose(weights.gradient(), 1e-9, rtol=1e-3)


def test_overflow_says_so_and_recovers(capsys: pytest.CaptureFixture[str]) -> None:
    scale = LossScale()
    assert scale.overflowed(finite=False)
    assert scale.value == START / 2
    assert "gradient overflowed" in capsys.readouterr().err
    for _ in range(GROWTH_STEPS):
        assert not scale.overflowed(finite=True)
    assert scale.value == START
    again = LossScale()
    again.load_state(scale.state())
    assert (again.value, again.skipped) == (START, 1)
    scale.value = LARGEST
    for _ in range(GROWTH_STEPS):
        scale.overflowed(finite=True)
    assert scale.value == LARGEST
    scale.value = SMALLEST
    assert not scale.overflowed(finite=False)  # not the scale's fault: the trainer stops and says where


def test_a_training_run_survives_an_overflow(capsys: pytest.CaptureFixture[str]) -> None:
    with ops.use_backend("numpy"):
        trainer = small_trainer(small_recipe(precision="float16", epochs=1))
        assert isinstance(trainer.weights, HalfWeights)
        assert trainer.weights.scale is not None
        trainer.weights.scale.value = 2.0**24
        assert trainer.fit()
    assert trainer.weights.scale.skipped > 0
    assert np.isfinite(trainer.weights.vector).all()
    assert "loss scale now" in capsys.readouterr().err


def test_names_of_formats() -> None:
    assert [float_type(name).itemsize for name in FORMATS] == [8, 4, 2, 2]
    with pytest.raises(PellucidError, match="'float8': expected one of float64, float32, float16, bfloat16"):
        float_type("float8")


def test_names_of_runs_that_mean_something_elsewhere_are_drawn(recwarn: pytest.WarningsRecorder) -> None:
    from pellucid.precision.layer_errors import LayerError
    from pellucid.recipes.format_picture import draw_formats
    from pellucid.recipes.format_report import FormatRow
    from pellucid.recipes.layer_errors import draw_layer_errors

    row = FormatRow("float32", 0.5, 1000, 1000, 10.0, 0.1, "numpy", 0.0, 0, 10)
    for name in (r"runs/a$\x$", r"b\_{", "runs/\u65e5\u672c"):
        assert draw_formats([row], "accuracy", name)[:4] == b"\x89PNG"
        assert draw_layer_errors({8: [LayerError(name, 0.0, 1.0, 0.01, 0.1)]}, name)[:4] == b"\x89PNG"
    assert not recwarn.list
