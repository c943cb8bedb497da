"""What answers for a network: the same numbers, whatever the shapes, for as long as the weights stay."""

import copy
import gc
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pellucid import ops, zoo
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import INFERENCE, Abs, Scale, Shift, Tanh
from pellucid.network import Network
from pellucid.ops.formats import float_type
from pellucid.plan import Answers, answering
from pellucid.plan.answers import MOST, fingerprint
from pellucid.precision import quantization_aware
from pellucid.precision.rounding import RoundedWeights
from plan.networks import drawn, every_step, images, worst, zoo_network


def test_batches_of_any_size_and_the_last_one() -> None:
    network = zoo_network("resnet18")
    answer = answering(network)
    for number in (5, 2, 5, 1):
        x = images(network, number)
        assert worst(answer(x), network.forward(x)) < 2e-5
    wide = np.random.default_rng(0).standard_normal((1, 3, 64, 90), np.float32)
    assert worst(answer(wide), network.forward(wide)) < 2e-5
    assert answer(images(network, 2)[:0]).shape == (0, 7)


def test_changed_weights_are_noticed() -> None:
    network = zoo_network("resnet18")
    x = images(network, 2)
    before = answering(network)(x)
    np.testing.assert_array_equal(answering(network)(x), before)
    network.vector[-3] += 1
    assert worst(answering(network)(x), network.forward(x)) < 2e-5
    network.statistics[0] += 1
    assert worst(answering(network)(x), network.forward(x)) < 2e-5
    assert not np.array_equal(answering(network)(x), before)


def test_a_fingerprint_changes_with_each_number_and_their_order() -> None:
    values = np.random.default_rng(0).standard_normal(20_001).astype(np.float32)
    mark = fingerprint(values)
    for place in (0, 9_000, 20_000):
        changed = values.copy()
        changed[place] = np.nextafter(changed[place], np.float32(9))
        assert fingerprint(changed) != mark
        changed = values.copy()
        changed[[place, 5]] = changed[[5, place]]
        assert fingerprint(changed) != mark
    assert fingerprint(values.copy()) == mark


def test_what_a_layer_gives() -> None:
    network = every_step()
    x = images(network, 2)
    seen = {}
    network.forward(x, INFERENCE.watched_by(lambda layer, y: seen.update({layer.name: np.array(y)})))
    for name in ("4", "5", "6", "10.1.0"):
        assert worst(answering(network, name)(x), seen[name]) < 2e-5


def test_float64() -> None:
    network = every_step().astype(np.float64)
    x = images(network, 2).astype(np.float64)
    assert worst(answering(network)(x), network.forward(x)) < 1e-12


def test_the_definition_widens_16_bits_too() -> None:
    network = zoo_network("tiny-digits").astype(np.float16)
    x = images(network, 2).astype(np.float16)
    with ops.use_backend("numpy"):
        y = answering(network)(x)
        exact = network.astype(np.float64).forward(x.astype(np.float64))
    assert y.dtype == np.float16
    assert worst(y.astype(np.float64), exact) < 2.0**-11 + 1e-6


def test_the_definition_folds_too() -> None:
    network = every_step()
    x = images(network, 2)
    with ops.use_backend("numpy"):
        assert worst(answering(network)(x), network.forward(x)) < 1e-5


def test_wrong_batches_are_refused_as_by_the_network() -> None:
    network = zoo_network("resnet18")
    answer = answering(network)
    with pytest.raises(PellucidError, match="network input: expected float32, got float64"):
        answer(images(network, 1).astype(np.float64))
    with pytest.raises(PellucidError, match=r"network input: expected \(N, 3, 75, 67\), got \(3, 75, 67\)"):
        answer(images(network, 1)[0])
    with pytest.raises(PellucidError, match="expected 3 input channels, got 4"):
        answer(np.zeros((1, 4, 75, 67), np.float32))


def test_several_threads_and_shapes() -> None:
    network = every_step()
    answer = answering(network)
    batches = [images(network, number, number) for number in (1, 2, 3)]
    alone = [answer(x) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(answer, batches * 6))
    for i, y in enumerate(together):
        np.testing.assert_array_equal(y, alone[i % 3])


def test_weights_are_rounded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = quantization_aware(drawn(Network(zoo.create("deep-convnet", 7), (1, 28, 28))), 4)
    x = images(network, 2)
    expected = network.forward(x)
    answer = answering(network)
    assert worst(answer(x), expected) < 1e-5
    monkeypatch.setattr(RoundedWeights, "levels", lambda self: pytest.fail("rounded again"))
    for number in (1, 2, 3):
        answer(images(network, number))


def test_a_network_goes_with_its_plans() -> None:
    network = zoo_network("tiny-digits")
    answer = answering(network)
    answer(images(network, 1))
    plans = answer._plans  # type: ignore[attr-defined]
    del network
    gc.collect()
    with pytest.raises(PellucidError, match="deleted"):
        answer(np.zeros((1, 1, 28, 28), np.float32))
    assert len(plans) == 1


def test_plans_are_few() -> None:
    network = zoo_network("convnet")
    answer = Answers(network)
    for side in range(20, 20 + 2 * MOST):
        answer(np.zeros((1, 3, side, 20), np.float32))
    assert len(answer._plans) == MOST


MEMORY = """
import resource, sys
sys.path.insert(0, {root!r})
import numpy as np
from plan.networks import zoo_network
from pellucid.plan import answering
network = zoo_network("convnet")
answer = answering(network)
rng = np.random.default_rng(0)
sizes = [tuple(rng.integers(24, 80, 2)) for _ in range(300)]
answer(np.zeros((1, 3, 80, 80), np.float32))
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def pass_over(number):
    for i in range(number):
        answer(np.zeros((1, 3, *sizes[i % 300]), np.float32))
pass_over(60)
before = peak()
pass_over(1000)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in KiB on Linux")
def test_a_thousand_images_of_300_sizes_do_not_make_memory_grow() -> None:
    program = MEMORY.format(root=str(Path(__file__).parents[1]))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8 * 1024  # KiB


@pytest.mark.parametrize("x", [None, "x", [[1, 2]], iter([1]), {}], ids=range(5))
def test_what_is_no_batch_is_refused_as_the_network_refuses_it(x: object) -> None:
    network = zoo_network("resnet18")
    with pytest.raises(PellucidError) as wanted:
        network.forward(x)  # type: ignore[arg-type]
    with pytest.raises(PellucidError) as got:
        answering(network)(x)  # type: ignore[arg-type]
    assert str(got.value) == str(wanted.value)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_plans_stay_with_their_network(way: Callable[[object], object]) -> None:
    network = zoo_network("resnet18")
    with pytest.raises(PellucidError, match="answers: expected to stay with their network"):
        way(answering(network))
    x, twin = images(network, 1), copy.deepcopy(network)
    np.testing.assert_array_equal(answering(twin)(x), answering(network)(x))


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("layer", [Scale, Shift])
def test_a_factor_a_channel_that_nothing_takes_in(layer: type[Scale | Shift], dtype: str) -> None:
    """The definition refused it: as a norm it had factors in float64."""
    network = Network(Sequential(Abs(), layer((3, 1, 1)), Tanh()), (3, 4, 4), dtype=float_type(dtype))
    network.vector = np.array([0.5, -1, 2])
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4)).astype(network.dtype)
    with ops.use_backend("numpy"):
        assert worst(answering(network)(x), network.forward(x)) < (1e-2 if "16" in dtype else 1e-6)
