"""What somebody may have meant by a key that a recipe does not have: another section's, or another word for it."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pellucid.recipes.schema import Recipe
from pellucid.recipes.written import KNOWN_NETWORKS
from pellucid.tasks import TASKS
from pellucid.training import OPTIMIZERS, SCHEDULES

CHOSEN: dict[str, tuple[Mapping[str, Callable[..., Any]], int]] = {
    "optimizer": (OPTIMIZERS, 0), "schedule": (SCHEDULES, 2), "task": (TASKS, 1), "network": (KNOWN_NETWORKS, 1),
}  # fmt: skip
"""Sections whose keys are the arguments of what they name, but for the first so many."""

WORDS = {
    "optimizer.rate": ("lr", "learning_rate", "learningrate", "step_size", "eta", "base_lr", "lr0", "max_lr"),
    "training.batch_size": ("batch", "batches", "bs", "batchsize", "minibatch", "train_batch_size"),
    "training.epochs": ("epoch", "num_epochs", "n_epochs", "max_epochs", "iterations"),
    "training.clip": ("grad_clip", "gradient_clip", "clip_norm", "max_grad_norm", "clip_grad"),
    "training.parts": ("accumulate", "accumulation", "gradient_accumulation_steps", "accumulation_steps"),
    "training.patience": ("early_stopping", "early_stop"),
    "training.precision": ("dtype", "fp16", "bf16", "half", "amp", "mixed_precision"),
    "training.weight_bits": ("bits", "quantize", "quantization"),
    "training.start_from": ("weights", "checkpoint", "init_from", "finetune", "from"),
    "network.pretrained": ("pretrain", "pretraining"),
    "teacher.source": ("teacher", "distill", "distillation", "teacher_model"),
    "teacher.share": ("alpha", "distill_weight"),
    "training.seed": ("random_state", "random_seed"),
    "optimizer.weight_decay": ("wd", "l2", "decay", "regularization"),
    "optimizer.beta1": ("betas", "beta"),
    "optimizer.name": ("optim", "opt", "solver"),
    "schedule.name": ("scheduler", "lr_scheduler", "lr_schedule"),
    "schedule.warmup": ("warmup_epochs", "warmup_steps"),
    "network.name": ("model", "arch", "architecture", "backbone", "net"),
    "data.size": ("image_size", "img_size", "imgsz", "input_size", "resize", "resolution", "shape"),
    "data.source": ("dataset", "data_dir", "path", "folder", "root", "images"),
    "data.validation": ("val", "valid", "val_split", "validation_split", "validation_fraction", "test_size"),
    "data.normalize": ("normalise", "normalization", "normalisation", "standardize"),
    "data.std": ("deviation", "standard_deviation", "sigma", "stddev"),
    "crop.flip": ("hflip", "mirror", "horizontal_flip", "fliplr"),
    "augmentation.rotate": ("rotation", "degrees", "angle", "turn"),
    "colours.mixup": ("mix_up",),
    "crop.mosaic": ("mosaics",),
    "task.nms_iou": ("nms", "nms_threshold", "iou", "iou_threshold", "nms_thresh"),
    "task.shown_score": ("conf", "confidence", "score", "threshold", "score_threshold"),
}  # fmt: skip
"""Keys, and what others call them."""


def meant(key: str) -> list[str]:
    """The recipe's keys that come nearest to a dotted one that it doesn't have; at most three, the best first."""
    known = known_keys()
    last = key.rpartition(".")[2].lower().replace("-", "_")
    same = [name for name in known if name.rpartition(".")[2] == last and name != key]
    said = [name for name, words in WORDS.items() if last in words and name in known]
    if same or said:
        return list(dict.fromkeys([*said, *same]))[:3]
    known = [name for name in known if name != key]  # that other choices of its section have
    near = difflib.get_close_matches(key.lower(), known, 1, 0.8)
    lasts: dict[str, str] = {}
    for name in known:
        lasts.setdefault(name.rpartition(".")[2], name)
    return near or [lasts[word] for word in difflib.get_close_matches(last, lasts, 1, 0.75)]


def known_keys() -> list[str]:
    """Every dotted key that some recipe may have; those of networks, of which there are most, last."""
    found: list[str] = []
    for section, kind in reversed(get_type_hints(Recipe).items()):
        if section not in CHOSEN and isinstance(kind, type) and kind is not str:
            found += [f"{section}.{name}" for name in inspect.signature(kind).parameters]
    for section, (makers, given) in CHOSEN.items():
        found.append(f"{section}.name")
        for maker in makers.values():
            found += [f"{section}.{name}" for name in list(inspect.signature(maker).parameters)[given:]]
    return list(dict.fromkeys([*found, "network.pretrained"]))
