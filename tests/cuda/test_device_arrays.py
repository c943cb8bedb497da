"""Arrays in device memory: what NumPy's do, where the device's say that they do it too."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from hypothesis import given, settings
from hypothesis import strategies as st

from ops.conformance.arrays import LAYOUTS, laid_out
from ops.conformance.device import KINDS
from pellucid import ops
from pellucid.errors import OutOfMemoryError, PellucidError
from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.ahead import Ahead
from pellucid.ops.cuda_ops.arrays import DeviceArray, array, empty, empty_images, zeros
from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.layouts import channels_last, padded
from pellucid.ops.cuda_ops.pool import Pool, use_pool
from pellucid.ops.cuda_ops.types import SIMULATED

KEYS: list[Any] = [
    ...,
    1,
    slice(None, None, -1),
    (slice(None), 2),
    (0, ..., None),
    (slice(1, None), slice(None, None, 2)),
]


def numbers(shape: tuple[int, ...], kind: str = "float32") -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(KINDS[kind])


def test_batches_are_copied_ahead_in_turn() -> None:
    """Each as it came; a place is filled again only when it was taken."""
    ahead, target = Ahead(), empty_images((2, 3, 4, 5), "float32")
    rng = np.random.default_rng(0)
    for size in (2, 2, 2, 1, 2):
        images, labels = rng.random((size, 3, 4, 5)), np.arange(size)
        part, classes = target[:size], zeros((size,), np.int64)
        ahead.bring((part, classes), (images, labels))
        np.testing.assert_array_equal(part.host(), images.astype(np.float32))
        np.testing.assert_array_equal(classes.host(), labels)
    assert len(ahead.waiting) == 2 * 2 + 2  # two places of two arrays, and one of another size
    if SIMULATED:
        room = ahead.waiting[0, 0, (2, 3, 4, 5), "float32"]
        device().upload_ahead(room.address, np.zeros((2, 4, 5, 3), np.float32), 0)
        with pytest.raises(PellucidError, match="what was brought to place 0 wasn't taken"):
            device().upload_ahead(room.address, np.zeros((2, 4, 5, 3), np.float32), 0)
        device().taken(0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_there_and_back(layout: str, kind: str) -> None:
    x = laid_out(numbers((2, 3, 4, 5), kind), layout)
    y = array(x)
    assert (y.shape, y.dtype, y.size, y.ndim, len(y)) == (x.shape, x.dtype, x.size, x.ndim, len(x))
    assert y.host().tobytes() == x.tobytes()
    assert array(y) is y


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_views_share_memory(key: Any) -> None:
    x = numbers((3, 4, 5))
    y = array(x)
    np.testing.assert_array_equal(y[key].host(), x[key])
    y[key] = 7.0
    x[key] = 7.0
    np.testing.assert_array_equal(y.host(), x)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS), st.permutations(range(4)), st.integers(0, 9))
def test_copies_between_memory_orders(target: str, source: str, order: list[int], seed: int) -> None:
    x = laid_out(np.random.default_rng(seed).standard_normal((2, 3, 2, 4)), source)
    y = array(laid_out(np.zeros([x.shape[axis] for axis in order], np.float32), target))
    y[...] = array(x).transpose(order)
    np.testing.assert_array_equal(y.host(), x.transpose(order).astype(np.float32))


def test_copies_of_more_axes_than_a_kernel_has() -> None:
    x = numbers((3, 2, 3, 2, 3, 4))
    y = zeros((4, 3, 2, 2, 2, 3), np.float32)
    y[...] = array(x)[:, :, ::2, ..., ::-1].transpose(5, 4, 3, 2, 1, 0)
    np.testing.assert_array_equal(y.host(), x[:, :, ::2, ..., ::-1].transpose(5, 4, 3, 2, 1, 0))


def test_shapes_and_types() -> None:
    x = numbers((2, 6))
    y = array(x)
    assert y.reshape(3, 4).reshape(-1).address == y.address
    np.testing.assert_array_equal(y.T.reshape(12).host(), x.T.reshape(12))
    np.testing.assert_array_equal(y.astype(np.float64).host(), x.astype(np.float64))
    np.testing.assert_array_equal(np.asarray(y.swapaxes(0, 1)), x.T)
    y *= 2
    np.testing.assert_array_equal(y.copy().host(), 2 * x)
    assert float(array(np.float32(3.5))) == 3.5
    assert not zeros((2, 2), np.int32).host().any()
    with pytest.raises(PellucidError, match=r"expected numbers of type .* got complex"):
        empty(3, np.complex64)


def test_images() -> None:
    x = numbers((2, 3, 4, 5))
    y = channels_last(array(x))
    assert y.transpose(0, 2, 3, 1).flags.c_contiguous
    assert channels_last(y) is y
    np.testing.assert_array_equal(y.host(), x)
    assert empty_images((2, 3, 4, 5), np.float32).strides == y.strides
    around = ((0, 0), (0, 0), (1, 2), (0, 3))
    np.testing.assert_array_equal(padded(array(x), (1, 2, 0, 3), 9).host(), np.pad(x, around, constant_values=9))


def test_interface_for_other_libraries() -> None:
    interface = array(numbers((2, 3))).T.__cuda_array_interface__
    assert (interface["shape"], interface["strides"], interface["typestr"]) == ((3, 2), (4, 12), "<f4")


def test_memory_is_used_again() -> None:
    before = use_pool(Pool())
    try:
        x = empty((100, 100), np.float32)
        address = x.address
        view = x[10:]
        del x
        assert empty((100, 100), np.float32).address != address  # the view still needs it
        del view
        assert empty((100, 99), np.float32).address == address
    finally:
        use_pool(before)


@pytest.mark.skipif(not SIMULATED, reason="fills a simulated card")
def test_too_little_memory_is_one_line() -> None:
    card: Any = device()
    before = use_pool(Pool())
    card.limit = card.memory()[1] - card.memory()[0] + 3_000_000
    try:
        x = empty((1000, 1000), np.uint8)
        del x  # lies idle in a size that doesn't fit, and is given back
        with pytest.raises(OutOfMemoryError, match=r"^GPU memory: 0.008 GB needed at once, 0.003 GB free of"):
            empty((1000, 1000), np.float64)
        empty((2500, 1000), np.uint8)
    finally:
        card.limit = None
        use_pool(before)


def test_choosing_the_backend() -> None:
    with ops.use_backend("cuda"):
        assert ops.backend() == "cuda"
        y = ops.relu(ops.array(numbers((2, 3))))
        assert isinstance(y, DeviceArray)
        np.testing.assert_array_equal(ops.host(y), np.maximum(numbers((2, 3)), 0))
    with pytest.raises(PellucidError, match="GPU 9"):
        ops.set_backend("cuda:9")
    with pytest.raises(PellucidError, match="unknown backend 'numba:1'"):
        ops.set_backend("numba:1")


def test_a_kernel_refuses_what_it_is_not_compiled_for() -> None:
    from pellucid.ops.cuda_ops.activation import _relu
    from pellucid.ops.cuda_ops.device import launch

    with pytest.raises(PellucidError, match=r"activation._relu: expected 1 axes of float32, .* got float64 \(3,\)"):
        launch(_relu.of("float32"), 1, 1, empty(3, np.float64), empty(3, np.float32))


def test_an_array_of_too_many_numbers_is_refused() -> None:
    """Threads divide their numbers in 32 bits."""
    from pellucid.ops.cuda_ops.activation import _relu
    from pellucid.ops.cuda_ops.device import launch

    x = empty((1,), np.uint8)
    layout = np.lib.stride_tricks.as_strided(x.layout.view(np.uint8), (1 << 32,), (1,))
    many = DeviceArray(layout, x.block)
    with pytest.raises(PellucidError, match=r"activation._relu: expected fewer than 2\^32 numbers, got shape"):
        launch(_relu.of("uint8"), 1, 1, many, many)
