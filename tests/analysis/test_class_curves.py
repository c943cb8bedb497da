"""Precision and recall by counting, at every score."""

import io

import numpy as np
from PIL import Image

from pellucid.analysis.class_curves import draw_precision_recall, draw_shares, precision_recall

RNG = np.random.default_rng(2)


def test_each_point_is_what_counting_down_to_its_score_gives() -> None:
    scores = RNG.integers(1, 12, 60) / 12
    right = RNG.random(60) < scores
    void = (RNG.random(60) < 0.2) & ~right
    precision, recall, at = precision_recall(scores, right, void, 50)
    assert at.tolist() == sorted(set(scores[~void].tolist()), reverse=True)
    for p, r, score in zip(precision, recall, at, strict=True):
        taken = (scores >= score) & ~void
        assert p == right[taken].mean() and r == right[taken].sum() / 50


def test_a_class_of_which_nothing_is_found_has_no_points() -> None:
    none = precision_recall(np.empty(0), np.empty(0, bool), np.empty(0, bool), 4)
    assert [len(part) for part in none] == [0, 0, 0]
    png = draw_precision_recall(
        {"found $one$": (np.array([1.0, 0.5]), np.array([0.5, 0.5]), 0.5), "none": (*none[:2], 0.0)}
    )
    assert Image.open(io.BytesIO(png)).width > 700
    assert Image.open(io.BytesIO(draw_shares(["a", "b"], [0.25, float("nan")], "IoU, %"))).width > 700
