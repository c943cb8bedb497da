"""Optimizers against their formulas, schedules against their shapes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.training.optimizers import OPTIMIZERS, SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, Optimizer, RMSprop
from pellucid.training.schedules import SCHEDULES, Constant, Cosine, OneCycle, Schedule, Step

RATE, DECAY = 0.1, 0.01


def by_hand(name: str, w: Array, gradients: list[Array]) -> Array:
    """Each weight by itself, in Python's numbers, from the papers' equations."""
    result = np.empty_like(w)
    for i in range(len(w)):
        x, a, b = float(w[i]), 0.0, 0.0
        for t, gradient in enumerate(gradients, 1):
            g = float(gradient[i]) + (0.0 if name == "adamw" else DECAY * x)
            if name == "sgd":
                x -= RATE * g
            elif name in {"momentum", "nesterov"}:
                a = 0.9 * a + g
                x -= RATE * (g + 0.9 * a if name == "nesterov" else a)
            elif name == "adagrad":
                a += g * g
                x -= RATE * g / (math.sqrt(a) + 1e-8)
            elif name == "rmsprop":
                a = 0.99 * a + 0.01 * g * g
                x -= RATE * g / (math.sqrt(a) + 1e-8)
            else:
                x -= RATE * DECAY * x if name == "adamw" else 0.0
                a, b = 0.9 * a + 0.1 * g, 0.999 * b + 0.001 * g * g
                x -= RATE * (a / (1 - 0.9**t)) / (math.sqrt(b / (1 - 0.999**t)) + 1e-8)
        result[i] = x
    return result


def gradients(count: int, size: int = 7) -> list[Array]:
    return list(np.random.default_rng(5).standard_normal((count, size)))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_five_steps_follow_the_formula(name: str) -> None:
    start = np.random.default_rng(4).standard_normal(7)
    vector, optimizer = start.copy(), OPTIMIZERS[name](RATE, weight_decay=DECAY)
    for gradient in gradients(5):
        before = gradient.copy()
        optimizer.update(vector, gradient)
        np.testing.assert_array_equal(gradient, before)
    np.testing.assert_allclose(vector, by_hand(name, start, gradients(5)), rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_carries_an_optimizer_on_bit_for_bit(name: str) -> None:
    whole, half, rest = (OPTIMIZERS[name](RATE) for _ in range(3))
    one = np.ones(7, np.float32)
    two = one.copy()
    steps = [gradient.astype(np.float32) for gradient in gradients(6)]
    for gradient in steps:
        whole.update(one, gradient, 0.5)
    for gradient in steps[:3]:
        half.update(two, gradient, 0.5)
    rest.load_state({key: array.copy() for key, array in half.state().items()})
    for gradient in steps[3:]:
        rest.update(two, gradient, 0.5)
    np.testing.assert_array_equal(one, two)
    for key, array in whole.state().items():
        np.testing.assert_array_equal(array, rest.state()[key])


def test_the_state_of_another_optimizer_is_refused() -> None:
    vector, momentum = np.ones(3), Momentum(RATE)
    momentum.update(vector, vector.copy())
    with pytest.raises(PellucidError, match="state of Adam: expected mean, squares, steps, got velocity, steps"):
        Adam(RATE).load_state(momentum.state())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: SGD(-1), "SGD: rate = -1, expected 0 to below inf"),
        (lambda: Nesterov(RATE, momentum=1), "Nesterov: momentum = 1, expected 0 to below 1"),
        (lambda: RMSprop(RATE, decay=1.5), "RMSprop: decay = 1.5"),
        (lambda: AdamW(RATE, beta2=1), "AdamW: beta2 = 1"),
        (lambda: AdaGrad(float("nan")), "AdaGrad: rate = nan"),
    ],
)
def test_settings_out_of_range_are_refused(make: type[Optimizer], expected: str) -> None:
    with pytest.raises(PellucidError, match=expected):
        make()  # type: ignore[call-arg]


@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 300), st.integers(1, 100), st.floats(0, 2))
def test_every_schedule_stays_between_nothing_and_the_full_rate(
    name: str, steps: int, epoch_steps: int, warmup: float
) -> None:
    schedule = SCHEDULES[name](steps, epoch_steps, warmup=warmup)
    factors = [schedule(step) for step in range(steps)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert factors == [schedule(step) for step in range(steps)]
    rising = factors[: min(round(warmup * epoch_steps), steps)]
    assert rising == sorted(rising)


def test_schedules_have_their_shapes() -> None:
    def factors(schedule: Schedule, *steps: int) -> list[float]:
        return [round(schedule(step), 6) for step in steps]

    assert factors(Constant(100, 10), 0, 50, 99) == [1, 1, 1]
    assert factors(Constant(100, 10, warmup=0.3), 0, 1, 2, 3) == [0.25, 0.5, 0.75, 1]
    assert factors(Step(100, 10, every=2, factor=0.5), 0, 19, 20, 40) == [1, 1, 0.5, 0.25]
    assert factors(Cosine(100, 10, final=0.2), 0, 50, 100) == [1, 0.6, 0.2]
    cycle = OneCycle(100, 10, start=0.1, peak=0.4, final=0)
    assert factors(cycle, 0, 20, 40, 70, 100) == [0.1, 0.55, 1, 0.5, 0]


def test_schedules_refuse_what_makes_no_sense() -> None:
    for make, expected in (
        (lambda: OneCycle(10, 10, peak=1.0), "one-cycle: peak = 1.0"),
        (lambda: Step(10, 10, factor=0), "schedule step: every = 1.0, factor = 0"),
        (lambda: Constant(10, 10, warmup=-1), "warmup = -1"),
    ):
        with pytest.raises(PellucidError, match=expected):
            make()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_only_arrays_and_numbers_are_taken(name: str) -> None:
    w, g, optimizer = np.ones(3), np.ones(3), OPTIMIZERS[name](0.1)
    for weights, gradient, scale, said in [
        ([1, 1, 1], g, 1.0, "weights: expected an array, got list"),
        (w, [1, 1, 1], 1.0, "gradient: expected an array, got list"),
        (w, g, "x", "scale: expected a number, got 'x'"),
        (w, g, float("nan"), "scale: expected a number, got nan"),
    ]:
        with pytest.raises(PellucidError, match=said):
            optimizer.update(weights, gradient, scale)  # type: ignore[arg-type]
    assert w.tolist() == [1, 1, 1]
    optimizer.update(w, g)
    assert (w < 1).all()


@pytest.mark.parametrize("steps", [np.zeros(2, np.int64), np.array([-1]), np.array([0.5]), np.array(1)])
def test_a_damaged_state_is_refused(steps: Array) -> None:
    optimizer = SGD(0.1)
    with pytest.raises(PellucidError, match="state of SGD: steps: expected a whole number of at least 0, got "):
        optimizer.load_state({"steps": steps})
    for state in ("abc", None, {"steps": [1]}):
        with pytest.raises(PellucidError, match="state of SGD: expected arrays by name"):
            optimizer.load_state(state)  # type: ignore[arg-type]


def test_a_schedule_may_give_an_array_of_one_number() -> None:
    w, g = np.ones(3, np.float32), np.ones(3, np.float32)
    SGD(0.5).update(w, g, np.where(True, 0.5, 1.0))  # type: ignore[arg-type]
    assert w.tolist() == [0.75] * 3
