"""The detection task: losses against numerical derivatives, places, decoding, padding; and that it learns."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.analysis.gradient_check import check_gradients
from pellucid.data import Boxes, Data, load_boxed
from pellucid.data.boxes import CROWD, PLAIN
from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import AvgPool2d, Conv2d, Layer, MaxPool2d
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type
from pellucid.ops.memory import channels_last
from pellucid.ops.numpy_ops import sigmoid
from pellucid.recipes import build_trainer, load_recipe
from pellucid.task import Task
from pellucid.tasks.box_assignment import assign
from pellucid.tasks.box_overlap import MEASURES, Overlap, pairwise_iou
from pellucid.tasks.detect import Detect
from pellucid.tasks.detection_loss import focal
from pellucid.tasks.detections import suppress
from pellucid.tasks.padded import forward_each
from pellucid.training.evaluate import evaluate
from pellucid.zoo import create

RNG = np.random.default_rng(3)
NAMES = ("cat", "dog", "bird")


def random_boxes(rng: np.random.Generator, count: int, size: float = 40) -> Array:
    corner = rng.uniform(0, size / 2, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(2, size / 2, (count, 2))], axis=1)


def random_targets(rng: np.random.Generator, images: int, size: int = 48, most: int = 5) -> Boxes:
    made = []
    for _ in range(images):
        m = int(rng.integers(0, most + 1))
        kinds = np.where(rng.random(m) < 0.2, CROWD, PLAIN)
        made.append((random_boxes(rng, m, size), rng.integers(0, 3, m), kinds))
    return Boxes.gathered(made, np.tile([[size, size]], (images, 1)), (size, size))


@pytest.mark.parametrize("name", MEASURES)
def test_overlap_and_its_derivative(name: str) -> None:
    rng = np.random.default_rng(5)
    a, b = random_boxes(rng, 200), random_boxes(rng, 200)
    a[:5] = b[:5] + np.array([1, 1, -1, -1.0])  # within the other
    measure, derivative = MEASURES[name](Overlap(a, b))
    np.testing.assert_allclose(Overlap(a, b).iou, np.diag(pairwise_iou(a, b)), rtol=1e-12)
    assert (Overlap(a, b).iou == 0).any() and np.allclose(MEASURES[name](Overlap(b, b))[0], 1)
    for edge in range(4):
        step = np.zeros(4)
        step[edge] = 1e-6
        numerical = (MEASURES[name](Overlap(a + step, b))[0] - MEASURES[name](Overlap(a - step, b))[0]) / 2e-6
        np.testing.assert_allclose(derivative[:, edge], numerical, atol=1e-8)
    assert (measure <= 1).all()


@pytest.mark.parametrize("gamma", [0.0, 1.5, 2.0])
def test_focal_loss_by_its_definition(gamma: float) -> None:
    x = np.linspace(-30, 30, 301)
    loss, derivative = focal(x, 0.3, gamma)
    p = sigmoid(x)
    inner = np.abs(x) < 15
    np.testing.assert_allclose(loss[inner], (-0.3 * (1 - p) ** gamma * np.log(p))[inner], rtol=1e-6)
    numerical = (focal(x + 1e-5, 0.3, gamma)[0] - focal(x - 1e-5, 0.3, gamma)[0]) / 2e-5
    np.testing.assert_allclose(derivative, numerical, atol=1e-9)
    extreme, _ = focal(np.array([-1e4, 1e4]), 1.0, gamma)
    assert extreme == pytest.approx([1e4, 0])


@pytest.mark.parametrize("box_loss", MEASURES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradient_of_the_whole_loss(box_loss: Any, dtype: type) -> None:
    rng = np.random.default_rng(8)
    task: Any = Detect(NAMES, box_loss=box_loss, gamma=1.5)
    targets = random_targets(rng, 4)
    outputs = rng.standard_normal((4, 8, 12, 12))
    loss, gradient = task.loss(outputs.astype(dtype), targets)
    assert gradient.dtype == dtype and np.isfinite(loss)
    for _ in range(6):
        direction = rng.standard_normal(outputs.shape)
        step = 1e-6 * direction
        numerical = (task.loss(outputs + step, targets)[0] - task.loss(outputs - step, targets)[0]) / 2e-6
        found = float((gradient * direction).sum())
        assert found == pytest.approx(numerical, rel=1e-6 if dtype == np.float64 else 1e-4, abs=1e-7)


def test_gradient_through_the_network() -> None:
    task, targets = Detect(NAMES), random_targets(np.random.default_rng(1), 2, 32)
    network = Network(
        create("detector-small", 3, stem=[6], shallow=[6, 6], deep=[8, 8], top=[6]), (1, 32, 32), seed=2
    )
    rows = check_gradients(
        network,
        lambda outputs: task.loss(outputs, targets),
        RNG.random((2, 1, 32, 32)),
        samples=3,
        loss_pattern=lambda outputs: task.pattern(outputs, targets),
    )
    assert max(row.error for row in rows) < 1e-6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_outputs_of_16_bits(dtype: str) -> None:
    task, targets = Detect(NAMES), random_targets(np.random.default_rng(4), 3)
    outputs = RNG.standard_normal((3, 8, 12, 12)).astype(float_type(dtype))
    loss, _ = task.loss(outputs, targets)
    assert loss == pytest.approx(task.loss(outputs.astype(np.float64), targets)[0], rel=1e-5)
    assert len(task.decode(outputs, targets.sizes)[0]) == len(
        task.decode(outputs.astype(np.float32), targets.sizes)[0]
    )


def test_parts_of_a_batch_add_up() -> None:
    task: Task = Detect(NAMES)
    targets, outputs = random_targets(np.random.default_rng(4), 5), RNG.standard_normal((5, 8, 12, 12))
    total = task.count(outputs, targets)
    loss, gradient = task.loss(outputs, targets, total)
    parts = [task.loss(outputs[part], targets[part], total) for part in (slice(0, 2), slice(2, 2), slice(2, 5))]
    assert sum(part[0] for part in parts) == pytest.approx(loss)
    np.testing.assert_allclose(np.concatenate([part[1] for part in parts]), gradient, atol=1e-12)
    assert sum(task.count(outputs[part], targets[part])[0] for part in (slice(0, 2), slice(2, 5))) == total[0]


def test_images_without_boxes_teach_that_nothing_is_there() -> None:
    task = Detect(NAMES)
    empty = Boxes.gathered([(np.empty((0, 4)), np.empty(0), np.empty(0))] * 2, np.full((2, 2), 48), (48, 48))
    outputs = RNG.standard_normal((2, 8, 12, 12))
    loss, gradient = task.loss(outputs, empty)
    assert loss > 0 and (gradient[:, :3] > 0).all() and not gradient[:, 3:].any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), radius=st.sampled_from([0.0, 1.0, 1.5, 2.5]))
def test_which_place_answers_for_which_box(seed: int, radius: float) -> None:
    """One box after the other and place by place, as the text has it."""
    targets = random_targets(np.random.default_rng(seed), 3)
    found = assign(targets, (12, 12), 4, radius)
    expected = np.full((3, 12, 12), -1)
    area = (targets.boxes[:, 2:] - targets.boxes[:, :2]).prod(axis=1)
    for m in np.argsort(-area, kind="stable"):
        x0, y0, x1, y1 = targets.boxes[m]
        if targets.kinds[m] != PLAIN:
            continue
        for i in range(12):
            for j in range(12):
                x, y = 4 * j + 2, 4 * i + 2
                inside = x0 < x < x1 and y0 < y < y1
                near = max(abs(x - (x0 + x1) / 2), abs(y - (y0 + y1) / 2)) <= 4 * radius
                home = (i, j) == (int((y0 + y1) / 8), int((x0 + x1) / 8))
                if (inside and near) or home:
                    expected[targets.images[m], i, j] = m
    owner = np.full_like(expected, -1)
    owner[found.image, found.row, found.column] = found.box
    np.testing.assert_array_equal(owner, expected)
    crowd = np.zeros_like(found.ignored)
    for m in np.flatnonzero(targets.kinds == CROWD):
        x0, y0, x1, y1 = targets.boxes[m]
        centre = 4 * np.arange(12) + 2
        crowd[targets.images[m]] |= ((centre >= y0) & (centre < y1))[:, None] & ((centre >= x0) & (centre < x1))
    np.testing.assert_array_equal(found.ignored, crowd & (expected < 0))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), most=st.sampled_from([0.0, 0.3, 0.6]))
def test_suppression_is_the_greedy_one(seed: int, most: float) -> None:
    rng = np.random.default_rng(seed)
    boxes, labels = random_boxes(rng, 60, 30), rng.integers(0, 2, 60)
    iou = pairwise_iou(boxes, boxes)
    kept: list[int] = []
    for i in range(60):
        if not any(labels[i] == labels[j] and iou[i, j] > most for j in kept):
            kept.append(i)
    assert suppress(boxes, labels, most).tolist() == kept
    assert suppress(boxes[:0], labels[:0], most).tolist() == []


def perfect(targets: Boxes, task: Detect, shape: tuple[int, int]) -> Array:
    """Outputs that say exactly what is there."""
    outputs = np.full((len(targets), len(NAMES) + 5, *shape), -20.0)
    where = assign(targets, shape, task.stride, task.radius)
    boxes = targets.boxes[where.box].astype(np.float64)
    middle, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    offset = middle / task.stride - 0.5 - np.stack([where.column, where.row], axis=1)
    t = np.arctanh(np.log(sides / task.base) / task.log_range) * task.log_range
    raw = np.concatenate([offset, t, np.full((len(boxes), 1), 20.0)], axis=1)
    np.testing.assert_allclose(task.code.boxes(raw[:, :4], where.row, where.column), boxes, atol=1e-9)
    outputs[where.image, targets.labels[where.box], where.row, where.column] = 20
    for channel in range(5):
        outputs[where.image, len(NAMES) + channel, where.row, where.column] = raw[:, channel]
    return outputs


def test_what_is_said_exactly_is_found_exactly() -> None:
    task = Detect(NAMES)
    boxes = np.array([[3, 4, 20, 31], [22, 22, 24, 40], [30, 2, 46, 9], [4, 33, 19, 47.0]])
    scene = (boxes, np.array([0, 1, 2, 0]), np.zeros(4))
    targets = Boxes.gathered([scene, scene], np.full((2, 2), 48), (48, 48))
    outputs = perfect(targets, task, (12, 12))
    found = task.decode(outputs, targets.sizes)
    assert [sorted(one.labels.tolist()) for one in found] == [[0, 0, 1, 2]] * 2
    metrics = task.metrics()
    metrics.update(outputs, targets)
    assert metrics.result()["map"] == pytest.approx(1)
    assert task.loss(outputs, targets)[0] == pytest.approx(0, abs=1e-5)
    cut = task.decode(outputs, np.array([[48, 40], [48, 40]]))[0]
    assert cut.boxes[:, [0, 2]].max() <= 40
    assert len(cut.above(2.0)) == 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_images_of_any_size_share_a_batch(dtype: type) -> None:
    network = Network(create("detector-small", 3), (1, 64, 64), dtype=dtype, seed=4)
    network.vector += 0.05 * RNG.standard_normal(network.vector.size).astype(dtype)
    network.statistics += 0.2 * RNG.random(network.statistics.size).astype(dtype)
    sizes = [(64, 64), (40, 96), (33, 47), (8, 8), (3, 100), (64, 64)]
    images: list[Array] = [RNG.random((1, *size)).astype(dtype) for size in sizes]
    together = forward_each(network, images)
    for image, output in zip(images, together, strict=True):
        alone = forward_each(network, [image])[0]
        assert output.shape[1:] == tuple(-(-side // 8) * 2 for side in image.shape[1:])
        tolerance = 1e-9 if dtype == np.float64 else 1e-3
        np.testing.assert_allclose(output, alone, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(together[0], network.forward(images[0][None])[0], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box_loss": "ciou"}, "Detect: box_loss = 'ciou', expected one of iou, giou, diou"),
        ({"alpha": 2.0}, "task.alpha = 2.0: expected 0 .. 1"),
        ({"candidates": 0}, "task.candidates = 0: expected 1 .. 100000"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PellucidError, match=message):
        Detect(NAMES, **options)


def test_maps_that_do_not_fit_are_named() -> None:
    targets = random_targets(RNG, 1)
    for shape, message in (
        ((1, 8, 6, 12), "stride = 4, images of 48x48 pixels: expected maps of 12x12 places, the network gives 6x12"),
        ((1, 9, 12, 12), r"expected maps of 3 classes \+ 5 channels, the network gives 9x12x12"),
    ):
        with pytest.raises(PellucidError, match=message):
            Detect(NAMES).loss(np.zeros(shape), targets)


def test_eight_scenes_are_learnt_by_heart() -> None:
    changes = {
        "data.scenes": {"train": 8, "test": 1},
        "training.epochs": 200,
        "training.batch_size": 8,
        "training.ema": 0,
        "optimizer.rate": 0.008,
    }
    recipe = load_recipe("detector-scenes", changes)
    scenes = load_boxed("mnist", recipe.data.scenes).train
    trainer = build_trainer(recipe, Data(scenes, None, scenes))
    same = trainer.evaluations["test"]
    trainer.evaluations = {}
    assert trainer.fit()
    assert evaluate(trainer.network, trainer.task, same)["map"] == pytest.approx(1.0)


@pytest.mark.parametrize("pool", [MaxPool2d(3, stride=1, padding=1), AvgPool2d(3, stride=1, padding=1)])
def test_pools_with_padding_see_no_zeros_beside_an_image(pool: Layer) -> None:
    network = Network(Sequential(Conv2d(3, 3, padding=1), pool), (1, 8, 8))
    images = [np.random.default_rng(i).standard_normal((1, 8, 4 + 2 * i)).astype(np.float32) - 3 for i in range(3)]
    for image, y in zip(images, forward_each(network, images), strict=True):
        np.testing.assert_allclose(y, network.forward(channels_last(image[None]))[0], rtol=1e-6, atol=1e-6)
