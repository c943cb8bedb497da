"""Detection: what is on an image, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pellucid import ops
from pellucid.arguments import Checked
from pellucid.data.boxes import Boxes
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.half import is_half
from pellucid.tasks.box_assignment import Assignment, assign, map_shape
from pellucid.tasks.box_code import BoxCode
from pellucid.tasks.box_overlap import MEASURES
from pellucid.tasks.detection_loss import LossSettings, detection_loss, loss_pattern
from pellucid.tasks.detection_metrics import DetectionMetrics
from pellucid.tasks.detections import DecodeSettings, Detections, decode


@dataclass(frozen=True)
class Detect(Checked):
    """Focal loss, a loss of the IoU's family, quality; decoding and class-aware NMS; COCO's measures.

    Outputs are (n, K + 5, h, w): K class scores, dx, dy, tw, th (see tasks.box_code) and quality of each place;
    targets are `Boxes`.

    class_names: name of class 0, 1, ... stride: pixels from place to place, as the network has them. base: pixels of
    a box's side where tw and th are 0; log_range: a side is at most exp(log_range) times as large or small.
    radius: strides from a box's middle within which places answer for it. alpha, gamma: of the focal loss. box_loss:
    "iou", "giou" or "diou"; box_weight, quality_weight: what it and the quality count beside the classes.
    quality_power: a detection's score is class^(1 - power) quality^power. least_score: what scores less is no
    detection. candidates: so many of an image's best go into NMS, `most` come out. nms_iou: boxes of one class that
    overlap more are one. shown_score: what pictures show at least. training_images: every so-manieth image of a batch
    is measured while training.
    """

    class_names: tuple[str, ...]
    stride: int = 4
    base: float = 16.0
    log_range: float = 4.0
    radius: float = 1.5
    alpha: float = 0.25
    gamma: float = 2.0
    box_loss: Literal["iou", "giou", "diou"] = "giou"
    box_weight: float = 1.0
    quality_weight: float = 0.25
    quality_power: float = 0.5
    least_score: float = 0.05
    candidates: int = 200
    most: int = 100
    nms_iou: float = 0.6
    shown_score: float = 0.6
    training_images: int = 16

    primary = "map"
    larger_is_better = True

    def __post_init__(self) -> None:
        if not self.class_names:
            raise PellucidError("detection: expected at least 1 class, got none")
        if self.box_loss not in MEASURES:
            raise PellucidError(f"task.box_loss = {self.box_loss!r}: expected one of {', '.join(MEASURES)}")
        for name, least, most in (
            ("stride", 1, 1024),
            ("base", 1e-3, 1e6),
            ("log_range", 0.1, 20),
            ("radius", 0, 100),
            ("alpha", 0, 1),
            ("gamma", 0, 100),
            ("box_weight", 0, 1e6),
            ("quality_weight", 0, 1e6),
            ("quality_power", 0, 1),
            ("least_score", 1e-6, 1),
            ("candidates", 1, 100_000),
            ("most", 1, 100_000),
            ("nms_iou", 0, 1),
            ("shown_score", 0, 1),
            ("training_images", 1, 1_000_000),
        ):
            if not least <= getattr(self, name) <= most:
                raise PellucidError(f"task.{name} = {getattr(self, name)}: expected {least:g} .. {most:g}")

    def count(self, outputs: Array, targets: Boxes) -> Array:
        """Number of positive places: (1,) float64."""
        return np.array([len(self.assignment(outputs, targets))], np.float64)

    def loss(self, outputs: Array, targets: Boxes, total: Array | None = None) -> tuple[float, Array]:
        """(loss, gradient for the outputs), divided by `total`, by default the count; by 1 where that is 0."""
        outputs, assignment = _wide(ops.host(outputs)), self.assignment(outputs, targets)
        divisor = max(1.0, float(len(assignment) if total is None else total[0]))
        return detection_loss(outputs, targets.labels, targets.boxes, assignment, self.loss_settings, divisor)

    def pattern(self, outputs: Array, targets: Boxes) -> Array:
        """On which side of its kinks the loss is."""
        return loss_pattern(ops.host(outputs), targets.boxes, self.assignment(outputs, targets), self.loss_settings)

    def assignment(self, outputs: Array, targets: Boxes) -> Assignment:
        """Which place answers for which box. Raises PellucidError as `check_outputs` does."""
        return assign(targets, self.check_outputs(outputs.shape[1:], targets), self.stride, self.radius)

    def check_outputs(self, output_shape: Shape, targets: Boxes) -> Pair:
        """(h, w) of outputs (K + 5, h, w) of one image.

        Raises PellucidError where their channels are others, or they don't lie every `stride` pixels.
        """
        K = len(self.class_names)
        if len(output_shape) != 3 or output_shape[0] != K + 5:
            shape = "x".join(map(str, output_shape))
            raise PellucidError(f"task detect: expected maps of {K} classes + 5 channels, the network gives {shape}")
        return map_shape(output_shape, targets, self.stride)

    def decode(self, outputs: Array, sizes: Array) -> list[Detections]:
        """What outputs (n, K + 5, h, w) say of each of n images of sizes (n, 2), height and width, best first."""
        outputs = _wide(ops.host(outputs))
        return [
            decode(image, self.decode_settings, (int(H), int(W)))
            for image, (H, W) in zip(outputs, sizes, strict=True)
        ]

    def metrics(self, training: bool = False) -> DetectionMetrics:
        """An empty collection; in training it takes in one image of `training_images`."""
        return DetectionMetrics(self.class_names, self.decode, self.training_images if training else 1)

    @property
    def code(self) -> BoxCode:
        """How four numbers are a box."""
        return BoxCode(self.stride, self.base, self.log_range)

    @property
    def loss_settings(self) -> LossSettings:
        """What the loss needs of all this."""
        return LossSettings(self.code, self.alpha, self.gamma, self.box_loss, self.box_weight, self.quality_weight)

    @property
    def decode_settings(self) -> DecodeSettings:
        """What decoding needs of all this."""
        return DecodeSettings(
            self.code,
            self.quality_power,
            self.least_score,
            self.candidates,
            self.most,
            self.nms_iou,
        )


def _wide(outputs: Array) -> Array:
    """The outputs in a type in which sums and exponentials are safe: float32 for those of 16 bits."""
    return outputs.astype(np.float32) if is_half(outputs.dtype) else outputs
