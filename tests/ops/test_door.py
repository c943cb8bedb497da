"""No call reaches a kernel with arguments that don't fit: each is one line that names op, argument and both sides."""

import re
from typing import Any

import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import InputError, PellucidError
from pellucid.ops import numpy_ops
from pellucid.ops.geometry import Geometry
from pellucid.ops.table import TABLE

X, W, B = np.ones((2, 3, 9, 9), np.float32), np.ones((4, 3, 3, 3), np.float32), np.ones(4, np.float32)
DY = np.ones((2, 4, 7, 7), np.float32)
VECTOR = np.ones(947, np.float32)


def _frozen(x: Any) -> Any:
    x = x.copy()
    x.flags.writeable = False
    return x


WRONG: list[tuple[str, tuple[Any, ...], str]] = [
    ("conv2d", (X, W, B[:3]), "conv2d: b: expected (K) with K = 4, got shape (3,)"),
    ("conv2d", (X, W[:, :2], B), "conv2d: w: expected 3 / 1 channels, got 2"),
    ("conv2d", (X.astype(np.float64), W, B), "conv2d: w: expected float64, got float32"),
    ("conv2d", (X[:, :, :2], W, B), "conv2d: geometry: expected an image of at least the window 3x3, got 2x9"),
    ("conv2d", (X.astype(">f4"), W, B), "conv2d: x: expected floats of 16, 32 or 64 bits, got >f4"),
    ("conv2d", ([1.0], W, B), "conv2d: x: expected ndarray, got list"),
    ("conv2d", (X, W, B, Geometry(groups=2)), "conv2d: w: expected 3 / 2 channels, got 3"),
    ("conv2d", (X, W, B, "same"), "conv2d: geometry: expected a Geometry, got 'same'"),
    ("conv2d_backward", (DY[:1], X, W, W.copy(), B), "conv2d_backward: x: expected (N, C, H, W) with N = 1"),
    ("conv2d_backward", (DY, X, W, W[:2].copy(), B), "conv2d_backward: dw: expected (K, D, R, S) with K = 4"),
    ("conv2d_backward", (DY[..., :5], X, W, W.copy(), B), "conv2d_backward: dy: expected 7x7 places, got 7x5"),
    ("conv2d_backward", (DY, X, W, W, B), "conv2d_backward: dw and w: expected memory of their own"),
    ("conv2d_backward", (DY, X, W, _frozen(W), B), "conv2d_backward: dw: expected an array that can be written"),
    ("adam_update", (VECTOR, VECTOR[:3], *[VECTOR] * 2, 1, 0.1, 0.9, 0.9, 1e-8), "adam_update: g: expected (n) with"),
    ("softmax_cross_entropy", (np.ones((2, 3), np.float32), np.array([0, 3])), "label 3: expected 0 to 2"),
    ("softmax_cross_entropy", (np.ones((2, 3), np.float32), np.array([0, -1])), "label -1: expected 0 to 2"),
    ("softmax_cross_entropy", (np.ones((2, 3), np.float32), np.ones(2)), "labels: expected int8 or int16"),
    ("max_pool2d", (X, (3.0, 3.0)), "max_pool2d: kernel: expected a whole number, got (3.0, 3.0)"),
    ("relu", (), "relu: x is missing: it takes x"),
    ("relu", (X, X), "relu: got 2 arguments: it takes x"),
]  # fmt: skip


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(("name", "arguments", "said"), WRONG, ids=[f"{w[0]}-{i}" for i, w in enumerate(WRONG)])
def test_a_call_that_does_not_fit_is_one_line(backend: str, name: str, arguments: tuple[Any, ...], said: str) -> None:
    with ops.use_backend(backend):
        for _ in range(2):  # nothing wrong is remembered as right
            with pytest.raises(InputError, match=re.escape(said)):
                getattr(ops, name)(*arguments)


def test_every_op_has_a_row_and_every_row_an_op() -> None:
    assert set(TABLE) == set(numpy_ops.__all__)


def test_a_call_that_was_right_is_no_pass_for_one_that_is_not() -> None:
    with ops.use_backend("numba"):
        ops.conv2d(X, W, B)
        with pytest.raises(InputError):
            ops.conv2d(X, W, B[:3])
        ops.max_pool2d(X, (3, 3))
        np.testing.assert_array_equal(ops.conv2d(X, W, b=B), ops.conv2d(X, W, B))
        with pytest.raises(InputError, match="unexpected argument 'bias'"):
            ops.conv2d(X, W, bias=B)  # type: ignore[call-arg]


def test_a_geometry_takes_whole_numbers_alone() -> None:
    for wrong in ((0, 1), (1.0, 1.0), (1, 2, 3), "xx", (1 << 40, 1)):
        with pytest.raises(InputError, match="geometry: stride: expected whole numbers of at least 1, 2 of them"):
            Geometry(stride=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="groups"):
        Geometry(groups=0)


def test_too_large_for_the_machine_is_said() -> None:
    with pytest.raises(PellucidError):
        ops.empty((1 << 50,), np.float32)


def test_arrays_in_odd_memory_are_read_right() -> None:
    bytes_ = np.zeros(X.nbytes + 1, np.uint8)[1:]
    across = bytes_.view(np.float32).reshape(X.shape)
    across[...] = X
    assert not across.flags.aligned
    with ops.use_backend("numba"):
        np.testing.assert_array_equal(ops.conv2d(across, W, B), ops.conv2d(X, W, B))
        np.testing.assert_array_equal(ops.conv2d(_frozen(X), _frozen(W), _frozen(B)), ops.conv2d(X, W, B))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_batch_without_samples_is_one(backend: str) -> None:
    with ops.use_backend(backend):
        assert ops.softmax(np.zeros((0, 15, 5), np.float32)).shape == (0, 15, 5)
        assert ops.conv2d(X[:0], W, B).shape == (0, 4, 7, 7)


def test_bounds_without_a_line_bound_nothing() -> None:
    dy = np.random.default_rng(0).standard_normal(X.shape).astype(np.float32)
    middle = np.zeros(3, np.float32)
    found = []
    for backend in ("numpy", "numba"):
        with ops.use_backend(backend):
            found.append(ops.channel_products(dy, X, middle, None, None, 0.0, 1.0))
            with pytest.raises(InputError, match="a, b: expected both or neither"):
                ops.channel_products(dy, X, middle, middle, None, 0.0, 1.0)
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_what_is_left_out_is_remembered_too(backend: str) -> None:
    """None where an array may be, settings by name, and what is an array already."""
    x, w = np.ones((2, 3, 5, 5), np.float32), np.ones((4, 3, 3, 3), np.float32)
    with ops.use_backend(backend):
        first = ops.conv2d(x, w, None, Geometry())
        for again in (ops.conv2d(x, w, None, Geometry()), ops.conv2d(x, w, b=None, geometry=Geometry()),
                      ops.conv2d(geometry=Geometry(), b=None, w=w, x=x)):  # fmt: skip
            np.testing.assert_array_equal(again, first)
        with pytest.raises(PellucidError, match="unexpected argument 'x'"):
            ops.conv2d(x, w, None, x=x)  # type: ignore[misc]
        with pytest.raises(PellucidError, match="w: expected ndarray, got NoneType"):
            ops.conv2d(x, None, None, Geometry())  # type: ignore[arg-type]
        with pytest.raises(PellucidError, match="w is missing"):
            ops.conv2d(x)  # type: ignore[call-arg]
        assert ops.array(x) is x
        assert ops.array(x, np.float64).dtype == np.float64
        assert type(ops.array(np.ma.masked_array(x, x > 0))) is np.ndarray


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_what_came_next_the_last_time_is_no_pass(backend: str) -> None:
    """Calls in turn are expected in turn; another one in a known one's place is looked at all the same."""
    narrow, turn = np.ones((4, 2, 3, 3), np.float32), Geometry(padding=(1, 1, 1, 1))
    with ops.use_backend(backend):
        known: list[tuple[Any, ...]] = [(X, W, B, Geometry()), (X, W, None, turn), (X[:, :2], narrow, B, Geometry())]
        expected = [ops.conv2d(*call) for call in known]
        wrong: list[tuple[Any, ...]] = [
            (X, narrow, B, Geometry()), (X, W, B[:3], turn), (X.astype(np.float64), W, None, turn),
            (X, W, B, np.ones(1)), (X, W, B, [1]), (X, W, np.ma.masked_array(B), Geometry()),
            (X, W.tolist(), B, Geometry()),
        ]  # fmt: skip
        for call in wrong:
            for _ in range(2):
                for right, answer in zip(known, expected, strict=True):
                    np.testing.assert_array_equal(ops.conv2d(*right), answer)
                with pytest.raises(InputError):
                    ops.conv2d(*call)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_weights_that_change_their_shape_in_place_are_seen(backend: str) -> None:
    w, b = W.copy(), B.copy()
    with ops.use_backend(backend):
        for _ in range(3):
            ops.conv2d(X, w, b, Geometry())
        w.shape = 3, 4, 3, 3
        with pytest.raises(InputError, match=r"conv2d: [wb]: expected"):
            ops.conv2d(X, w, b, Geometry())
        w.shape = 4, 3, 3, 3
        w.dtype = np.int32  # type: ignore[misc, assignment]
        with pytest.raises(InputError, match="conv2d: w: expected float32, got int32"):
            ops.conv2d(X, w, b, Geometry())


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_settings_that_are_left_out_are_remembered_as_that(backend: str) -> None:
    with ops.use_backend(backend):
        door = ops.clip
        for _ in range(3):
            np.testing.assert_array_equal(door(X, 0.0, 0.5), np.full_like(X, 0.5))
            np.testing.assert_array_equal(ops.conv2d(X, W, B), ops.conv2d(X, W, B, Geometry()))
        with pytest.raises(InputError, match="it takes x, w, b, geometry"):
            ops.conv2d(X, W, B, Geometry(), 1)  # type: ignore[call-arg]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_settings_equal_to_remembered_ones_are_no_pass(backend: str) -> None:
    """True equals 1, 3.0 equals 3, and so does an array of it; none of them is what a setting may be."""
    with ops.use_backend(backend):
        for _ in range(3):
            expected = ops.clip(X, 0.0, 1.0), ops.max_pool2d(X, (3, 3))[0]
        calls: list[tuple[str, tuple[Any, ...]]] = [
            ("clip", (X, 0.0, True)), ("clip", (X, False, 1.0)), ("clip", (X, 0.0, np.ones(1))),
            ("clip", (X, [0.0], 1.0)), ("max_pool2d", (X, (3.0, 3))), ("max_pool2d", (X, (3, np.float32(3)))),
        ]  # fmt: skip
        for name, arguments in calls:
            for _ in range(2):
                np.testing.assert_array_equal(ops.clip(X, 0.0, 1.0), expected[0])
                np.testing.assert_array_equal(ops.max_pool2d(X, (3, 3))[0], expected[1])
                with pytest.raises(InputError, match=rf"{name}: \w+: expected"):
                    getattr(ops, name)(*arguments)
        size = [np.intp(3), np.intp(3)]
        np.testing.assert_array_equal(ops.max_pool2d(X, (size[0], size[1]))[0], expected[1])  # type: ignore[arg-type]
