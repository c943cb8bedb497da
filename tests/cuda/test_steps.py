"""Whole training steps on the device: as on the host, and recorded and replayed."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba_cuda")

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import (
    BatchNorm2d,
    Context,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    ReLU,
    SoftmaxCrossEntropy,
    training,
)
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.arrays import DeviceArray, array
from pellucid.ops.cuda_ops.jit import bound
from pellucid.ops.cuda_ops.random import Generator, dropout_keep, philox
from pellucid.ops.cuda_ops.recorder import Recorded
from pellucid.ops.cuda_ops.sums import squared_norm
from pellucid.ops.cuda_ops.types import NUMBERS


def small_network(*extra: Any) -> Network:
    layers = [Conv2d(3, 3, padding=1), ReLU(), MaxPool2d(2), ConvTranspose2d(2, 2, stride=2), BatchNorm2d()]
    return Network(Sequential(*layers, *extra, Flatten(), Linear(3)), (2, 4, 4), fuse=False)


def step(network: Network, x: Array, labels: Array, context: Context) -> Any:
    """One step of gradient descent; the loss."""
    loss, gradient = SoftmaxCrossEntropy()(network.forward(x, context), labels)
    network.backward(gradient)
    ops.momentum_update(network.vector, network.gradient, network.velocity, 0.1, 0.9)  # type: ignore[attr-defined]
    return loss


def batch() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((4, 2, 4, 4)).astype(np.float32), rng.integers(0, 3, 4)


def test_training_is_as_on_the_host() -> None:
    x, labels = batch()
    with ops.use_backend("numpy"):
        host = small_network()
        host.velocity = np.zeros_like(host.vector)  # type: ignore[attr-defined]
        losses = [step(host, x, labels, training()) for _ in range(3)]
    with ops.use_backend("cuda"):
        device = small_network()
        device.velocity = ops.zeros(device.vector.shape, np.float32)  # type: ignore[attr-defined]
        found = [float(step(device, ops.array(x), labels, training())) for _ in range(3)]
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    np.testing.assert_allclose(ops.host(device.vector), host.vector, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ops.host(device.statistics), host.statistics, rtol=1e-4, atol=1e-5)


def test_a_recorded_step_is_the_step() -> None:
    x, labels = batch()
    with ops.use_backend("cuda"):
        found = []
        for recorded in (False, True):
            network, rng = small_network(Dropout(0.5)), Generator(7)
            network.velocity = ops.zeros(network.vector.shape, np.float32)  # type: ignore[attr-defined]
            images, classes = ops.array(x), ops.array(labels)

            def one(network: Network = network, rng: Generator = rng, x: Any = images, t: Any = classes) -> Any:
                return step(network, x, t, Context(training=True, keep=True, rng=rng))  # type: ignore[arg-type]

            losses = []
            do: Any = Recorded(one) if recorded else one
            do(), do()
            for i in range(3):
                images[...] = x + np.float32(i)
                losses.append(float(do()))
            found.append((losses, ops.host(network.vector)))
    assert found[0][0] == found[1][0]
    assert len(set(found[0][0])) == 3
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_a_recorded_step_reads_its_rate_anew() -> None:
    w, g, rate = array(np.zeros(3)), array(np.ones(3)), array(np.array([0.5]))
    with ops.use_backend("cuda"):
        do = Recorded(lambda: ops.sgd_update(w, g, rate), warm_ups=1)  # type: ignore[arg-type]
        do()
        rate[...] = 2.0
        do()
    assert w.tolist() == [-2.5] * 3


def test_a_recorded_step_may_not_read_from_the_device() -> None:
    g = array(np.ones(3))
    with pytest.raises(PellucidError, match="a captured step may not read from the device"):
        Recorded(lambda: float(squared_norm(g)), warm_ups=0)()
    assert float(squared_norm(g)) == 3


def test_memory_of_a_recorded_step_is_its_own() -> None:
    x: Any = array(np.arange(5000, dtype=np.float32))
    with ops.use_backend("cuda"):
        do = Recorded(lambda: ops.relu(ops.relu(ops.relu(x))), warm_ups=0)
        do()
        others = [ops.zeros((5000,), np.float32) for _ in range(5)]
        y = do()
        assert not any(ops.host(other).any() for other in others)
    np.testing.assert_array_equal(ops.host(y), ops.host(x))


def test_philox_gives_the_published_numbers() -> None:
    """The known answers that come with Random123 (Salmon et al. 2011), for counters and keys of zeros and of ones."""

    def at(counter: int, use: int, key: int) -> list[int]:
        function = bound(philox.function, NUMBERS["uint64"], NUMBERS["uint64"])  # type: ignore[attr-defined]
        with np.errstate(over="ignore"):
            return [int(n) for n in function(np.uint64(counter), np.uint64(use), np.uint64(key))]

    ones = (1 << 64) - 1
    assert at(0, 0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert at(ones, ones, ones) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def kept(rng: Any, shape: tuple[int, ...], rate: float, **place: int) -> Array:
    keep = dropout_keep(rng, shape, rate, **place)
    assert isinstance(keep, DeviceArray)
    return keep.host()


def test_elements_stay_with_the_probability_asked_for() -> None:
    keep = kept(np.random.default_rng(0), (10, 400), 0.3)
    assert keep.dtype == np.bool_
    assert abs(keep.mean() - 0.7) < 4 * np.sqrt(0.3 * 0.7 / keep.size)
    assert kept(np.random.default_rng(0), (2, 3), 0.0).all()


def test_a_number_belongs_to_its_sample() -> None:
    whole = kept(np.random.default_rng(1), (5, 7), 0.5)
    part = kept(np.random.default_rng(1), (2, 7), 0.5, first=3, total=5)
    np.testing.assert_array_equal(part, whole[3:])


def test_a_generator_goes_on() -> None:
    rng = Generator(3)
    first, second = kept(rng, (4, 50), 0.5), kept(rng, (4, 50), 0.5)
    assert (first != second).any()
    np.testing.assert_array_equal(kept(Generator(3), (4, 50), 0.5), first)
