"""Average precision against the evaluation of COCO's authors, and by hand."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pellucid.data.boxes import CROWD, DIFFICULT, PLAIN
from pellucid.ops.arrays import Array
from pellucid.tasks.detection_metrics import IOUS, DetectionMetrics
from pellucid.tasks.detections import Detections

NAMES = ("cat", "dog", "bird", "unseen")
Scene = tuple[Array, Array, Array]


def no_decoder(outputs: Array, sizes: Array) -> list[Detections]:
    raise AssertionError("not asked for")


def random_images(rng: np.random.Generator, images: int, crowds: bool) -> list[tuple[Detections, Scene]]:
    """Boxes, and detections that are some of them, shaken, some twice, among false ones; with ties among scores."""
    made = []
    for _ in range(images):
        m = int(rng.integers(0, 12))
        corner = rng.uniform(0, 60, (m, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(4, 40, (m, 2))], axis=1)
        labels = rng.integers(0, 3, m)
        kinds = np.where(rng.random(m) < 0.2, CROWD, PLAIN) if crowds else np.full(m, PLAIN)
        which = rng.integers(0, m, 2 * m) if m else np.empty(0, np.int64)
        near = boxes[which] + rng.normal(0, 2, (len(which), 4))
        noise = rng.uniform(0, 60, (5, 2))
        found = np.concatenate([near, np.concatenate([noise, noise + rng.uniform(3, 30, (5, 2))], axis=1)])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        swapped = rng.random(len(found)) < 0.15
        classes = np.where(swapped, rng.integers(0, 3, len(found)), [*labels[which], *rng.integers(0, 3, 5)])
        scores = np.round(rng.random(len(found)), 2)
        order = np.argsort(-scores, kind="stable")
        made.append(
            (Detections(found[order], classes[order].astype(np.int64), scores[order]), (boxes, labels, kinds))
        )
    return made


def reference(images: list[tuple[Detections, Scene]]) -> COCOeval:
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for i, (found, (boxes, labels, kinds)) in enumerate(images):
        for box, label, kind in zip(boxes.tolist(), labels.tolist(), kinds.tolist(), strict=True):
            bbox = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            row = {"image_id": i, "category_id": label, "bbox": bbox, "area": bbox[2] * bbox[3]}
            truth.append(row | {"id": len(truth) + 1, "iscrowd": int(kind == CROWD)})
        rows = zip(found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
        for box, label, score in rows:
            bbox = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            results.append({"image_id": i, "category_id": label, "bbox": bbox, "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(len(images))],
            "annotations": truth,
            "categories": [{"id": k, "name": name} for k, name in enumerate(NAMES)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


@pytest.mark.parametrize("crowds", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_as_cocos_authors_have_it(seed: int, crowds: bool) -> None:
    images = random_images(np.random.default_rng(seed), 40, crowds)
    metrics = DetectionMetrics(NAMES, no_decoder)
    for found, scene in images:
        metrics.add(found, *scene)
    expected = reference(images)
    result = metrics.result()
    for name, place in (("map", 0), ("map50", 1), ("map75", 2)):
        assert result[name] == pytest.approx(expected.stats[place], abs=1e-6)
    precision = expected.eval["precision"][:, :, :, 0, 2]  # IoUs, recalls, classes; all areas, 100 detections
    for k, score in enumerate(metrics.per_class()):
        if not score.boxes:
            assert np.isnan([score.ap, score.ap50, score.ap75]).all() and (precision[:, :, k] == -1).all()
            continue
        assert score.ap == pytest.approx(precision[:, :, k].mean(), abs=1e-6)
        assert score.ap50 == pytest.approx(precision[0, :, k].mean(), abs=1e-6)
    assert 0.2 < result["map50"] < 0.9


def test_by_hand() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30.0]])
    found = Detections(
        np.array([[0, 0, 10, 10], [50, 50, 60, 60], [20, 20, 30, 38.0]]), np.zeros(3, int), np.array([0.9, 0.8, 0.7])
    )
    metrics = DetectionMetrics(NAMES, no_decoder)
    metrics.add(found, boxes, np.zeros(2, int), np.zeros(2, np.uint8))
    half, rest = (51 + 50 * 2 / 3) / 101, 51 / 101  # the second box is found, after one mistake, with an IoU of 0.556
    assert metrics.precisions()[0] == pytest.approx([half, half, *[rest] * 8])
    assert metrics.result()["map50"] == pytest.approx(half)


def test_difficult_boxes_count_neither_way() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30.0]])
    found = Detections(boxes[::-1], np.zeros(2, int), np.array([0.9, 0.8]))
    for kinds, expected in (([PLAIN, DIFFICULT], 1.0), ([PLAIN, PLAIN], 1.0)):
        metrics = DetectionMetrics(NAMES, no_decoder)
        metrics.add(found, boxes, np.zeros(2, int), np.array(kinds))
        assert metrics.result()["map"] == pytest.approx(expected)
        assert metrics.boxes[0] == kinds.count(PLAIN)
    twice = Detections(np.repeat(boxes[1:], 2, axis=0), np.zeros(2, int), np.array([0.9, 0.8]))
    metrics = DetectionMetrics(NAMES, no_decoder)
    metrics.add(twice, boxes, np.zeros(2, int), np.array([PLAIN, DIFFICULT]))
    right, void = metrics.state()["right"], metrics.state()["void"]
    assert not right.any() and void[0].all() and not void[1].any()  # a difficult box excuses one detection, not two


def test_parts_join_and_nothing_is_no_number() -> None:
    images = random_images(np.random.default_rng(9), 30, crowds=True)
    whole, joined = DetectionMetrics(NAMES, no_decoder), DetectionMetrics(NAMES, no_decoder)
    assert np.isnan(list(whole.result().values())).all()
    for start in range(0, 30, 7):
        part = DetectionMetrics(NAMES, no_decoder)
        for found, scene in images[start : start + 7]:
            whole.add(found, *scene)
            part.add(found, *scene)
        joined.merge(part.state())
    assert joined.result() == pytest.approx(whole.result(), abs=1e-12)
    assert whole.state()["right"].shape[1] == len(IOUS)
