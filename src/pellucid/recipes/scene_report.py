"""What a detector, a segmenter or a network that gives labels is good at, class by class, as a page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pellucid.analysis.class_curves import draw_precision_recall, draw_shares, precision_recall
from pellucid.analysis.confusion import HARDEST, name_of
from pellucid.analysis.page import Page
from pellucid.data import Loader
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.recipes.model import AnyModel
from pellucid.task import Metrics
from pellucid.tasks.detection_metrics import DetectionMetrics
from pellucid.tasks.labels import LabelMetrics
from pellucid.tasks.segmentation_metrics import SegmentationMetrics
from pellucid.training.evaluate import answers_of

CONFUSIONS = 12  # pairs of classes that are listed


def scene_report(model: AnyModel, loader: Loader) -> bytes:
    """HTML for the loader's images: of a detector the precision-recall curve of each class at an IoU of 0.5; of
    labels that of each label; of a segmenter each class's IoU, and which classes are taken for which. Then the images
    of the largest loss, with their paths.

    Raises PellucidError for a network of another task.
    """
    metrics, hardest = _measured_each(model, loader)
    page = Page(f"{model.path} on {loader.dataset.name}")
    if isinstance(metrics, DetectionMetrics):
        _boxes(page, metrics)
    elif isinstance(metrics, SegmentationMetrics):
        _pixels(page, metrics)
    elif isinstance(metrics, LabelMetrics):
        _labels(page, metrics)
    else:
        raise PellucidError(f"--report: {model.path} has the task {model.recipe.task['name']}, which has none")
    page.heading(f"The {len(hardest)} images of the largest loss")
    page.table(("image", "loss"), [(name_of(loader.dataset, i), f"{loss:.3f}") for loss, i in hardest])
    return page.html()


def _measured_each(model: AnyModel, loader: Loader) -> tuple[Metrics, list[tuple[float, int]]]:
    """(the measures over all images, (loss, index) of those images that have the largest, the largest first)."""
    metrics, losses = model.task.metrics(), []
    answer = answers_of(model.network)
    for batch in replace(loader, batch_size=1).epoch(0):
        outputs = answer(batch.inputs)
        metrics.update(outputs, batch.targets)
        losses.append((float(model.task.loss(outputs, batch.targets)[0]), int(batch.samples[0])))
    return metrics, sorted(losses, key=lambda one: (-one[0], one[1]))[:HARDEST]


def _boxes(page: Page, metrics: DetectionMetrics) -> None:
    state, result = metrics.state(), metrics.result()
    page.text(
        f"mAP at an IoU of 0.5: {100 * result['map50']:.1f} %; mean over IoUs from 0.5 to 0.95: "
        f"{100 * result['map']:.1f} %."
    )
    page.heading("Precision and recall by class, at an IoU of 0.5")
    curves, rows = {}, []
    for k, score in enumerate(metrics.per_class()):
        own = state["labels"] == k
        precision, recall, scores = precision_recall(
            state["scores"][own], state["right"][own, 0], state["void"][own, 0], score.boxes
        )
        curves[score.name] = precision, recall, score.ap50
        rows.append(
            (score.name, f"{score.boxes:,}", *_shares(score.ap50, score.ap), *_best(precision, recall, scores))
        )
    page.picture(
        draw_precision_recall(curves),
        "From the surest detection, at the left, to the least sure. Where a curve ends nothing more is found.",
    )
    columns = ("class", "boxes", "AP at 0.5 %", "AP %", "best F1 %", "at a score of", "precision %", "recall %")
    page.table(columns, rows)


def _labels(page: Page, metrics: LabelMetrics) -> None:
    state, result = metrics.state(), metrics.result()
    page.text(
        f"F1 of all labels: {100 * result['f1']:.1f} %; mean average precision: {100 * result['map']:.1f} %; of "
        f"{100 * result['all_right']:.1f} % of the images all labels are right."
    )
    page.heading("Precision and recall by label")
    curves, rows = {}, []
    for k, score in enumerate(metrics.per_class()):
        logits, truth = state["scores"][:, k], state["truths"][:, k].astype(bool)
        precision, recall, _ = precision_recall(logits, truth, np.zeros(len(truth), bool), score.images)
        curves[score.label] = precision, recall, score.average_precision
        f1 = _f1(np.array([score.precision]), np.array([score.recall]))
        shares = _shares(score.precision, score.recall, *f1, score.average_precision)
        rows.append((score.label, f"{score.images:,}", *shares))
    page.picture(draw_precision_recall(curves, "images"), "From the surest image, at the left, to the least sure.")
    page.table(("label", "images", "precision %", "recall %", "F1 %", "AP %"), rows)


def _f1(precision: Array, recall: Array) -> Array:
    """The harmonic mean of both; 0 where both are."""
    f1: Array = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return f1


def _best(precision: Array, recall: Array, scores: Array) -> tuple[str, ...]:
    """The largest F1, the score down to which detections are then taken, and precision and recall there."""
    if not len(scores) or not recall.any():
        return ("-",) * 4
    f1 = _f1(precision, recall)
    i = int(f1.argmax())
    return (*_shares(float(f1[i])), f"{scores[i]:.2f}", *_shares(float(precision[i]), float(recall[i])))


def _pixels(page: Page, metrics: SegmentationMetrics) -> None:
    result, scores = metrics.result(), metrics.per_class()
    page.text(
        f"Mean IoU: {100 * result['mean_iou']:.1f} %; {100 * result['pixel_accuracy']:.1f} % of the pixels are right."
    )
    page.heading("IoU by class")
    names = [score.name for score in scores]
    page.picture(
        draw_shares(names, [score.iou for score in scores], "IoU, %"),
        "Of what is or is taken for a class, the part that is both.",
    )
    rows = [(score.name, f"{score.pixels:,}", *_shares(score.iou, score.accuracy)) for score in scores]
    page.table(("class", "pixels", "IoU %", "found %"), rows)
    page.heading("What is taken for what")
    wrong = metrics.confusion * (1 - np.eye(len(names), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    found = []
    for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[row, column]:
            share = wrong[row, column] / metrics.confusion[row].sum()
            found.append((names[row], names[column], f"{wrong[row, column]:,}", *_shares(float(share))))
    page.table(("is", "taken for", "pixels", "% of the class"), found)


def _shares(*values: float) -> tuple[str, ...]:
    return tuple("-" if np.isnan(value) else f"{100 * value:.1f}" for value in values)
