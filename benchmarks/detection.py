"""A trained detector's speed, one image at a time, and pictures of what it does best and worst.

    python -m benchmarks.detection RUN [RUN ...] [--pictures FOLDER] [--least SCORE] [--images N]

Speed is of the whole way from pixels to boxes: normalising, the network, decoding, non-maximum suppression. Pictures,
of the first run: of every test scene the mean over its boxes of the IoU with the best detection of their class, less
a point for each detection that is none; the best of the crowded scenes and the worst of all, truth above, found
below.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pellucid import ops, training
from pellucid.data import Boxes, Dataset
from pellucid.data.framing import Framed
from pellucid.ops.arrays import Array
from pellucid.plan import answering
from pellucid.recipes import build_data, build_loader, open_model
from pellucid.recipes.predict_boxes import Detector
from pellucid.tasks.box_overlap import pairwise_iou
from pellucid.tasks.box_pictures import draw_boxes
from pellucid.tasks.detections import Detections

CROWDED = 7  # digits of a scene that is worth showing where all went well
SHOWN = 3


def framed(image: Array) -> Framed:
    """A scene (C, H, W), which fills the network's canvas."""
    size = image.shape[1:]
    return Framed(image, size, size)


def images_per_second(detector: Detector, images: Array) -> tuple[float, float]:
    """One image at a time: the rate over all, and the rate of the network alone."""
    for image in images[:20]:
        detector([framed(image)])
    start = time.perf_counter()
    for image in images:
        detector([framed(image)])
    whole = time.perf_counter() - start
    x, network = images[:1].astype(detector.network.dtype) / 255, answering(detector.network)
    start = time.perf_counter()
    for _ in range(len(images)):
        network(x)
    return len(images) / whole, len(images) / (time.perf_counter() - start)


def merit(found: Detections, boxes: Array, labels: Array) -> float:
    """See this module."""
    iou = pairwise_iou(boxes.astype(np.float64), found.boxes.astype(np.float64))
    iou *= labels[:, None] == found.labels
    hits = iou.max(axis=1, initial=0)
    false = (iou.max(axis=0, initial=0) < 0.5).sum()
    return float(hits.mean() - false) if len(boxes) else -float(false)


def draw(detector: Detector, test: Dataset, folder: Path, least: float) -> None:
    """Write detection-best.png and detection-worst.png."""
    images, targets = np.asarray(test.inputs), test.targets
    assert isinstance(targets, Boxes)
    found = [detector([framed(image)])[0].above(least) for image in images]
    merits = np.array([merit(found[i], *targets.of(i)[:2]) for i in range(len(images))])
    crowded = np.diff(targets.starts) >= CROWDED
    order = np.argsort(merits, kind="stable")
    chosen = {"best": [i for i in order[::-1] if crowded[i]][:SHOWN], "worst": order[:SHOWN].tolist()}
    for name, scenes in chosen.items():
        columns = []
        for i in scenes:
            boxes, labels, _ = targets.of(i)
            truth = draw_boxes(images[i], boxes, labels, test.class_names)
            said = draw_boxes(images[i], found[i].boxes, found[i].labels, test.class_names, found[i].scores)
            columns.append(
                np.vstack([np.asarray(truth), np.full((12, truth.width, 3), 255, np.uint8), np.asarray(said)])
            )
            print(f"{name}: scene {i}, {len(labels)} digits, merit {merits[i]:.3f}")
        gap = np.full((columns[0].shape[0], 12, 3), 255, np.uint8)
        sheet = Image.fromarray(np.hstack([part for column in columns for part in (column, gap)][:-1]))
        sheet = sheet.resize((sheet.width // 2, sheet.height // 2), Image.Resampling.LANCZOS)
        folder.mkdir(parents=True, exist_ok=True)
        sheet.save(folder / f"detection-{name}.png", optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--least", type=float, help="score that pictures show; by default the run's shown_score")
    parser.add_argument("--images", type=int, default=1000)
    given = parser.parse_args()
    print(f"{ops.backend()}, {ops.threads()} threads")
    for number, run in enumerate(given.runs):
        model = open_model(run)
        test = build_data(model.recipe).test
        measured = training.evaluate(model.network, model.task, build_loader(model.recipe, test, training=False))
        detector = Detector(model)
        whole, network = images_per_second(detector, np.asarray(test.inputs)[: given.images])
        shown = ", ".join(f"{name} {value:.4f}" for name, value in measured.items())
        print(f"{run}: {model.network.vector.size:,} parameters, {shown}")
        print(f"  {whole:.0f} images/s one at a time, the network alone {network:.0f}")
        if number == 0 and given.pictures is not None:
            draw(detector, test, given.pictures, given.least or detector.task.shown_score)


if __name__ == "__main__":
    main()
