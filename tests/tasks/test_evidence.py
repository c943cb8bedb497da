"""The number that an explanation explains, for each task."""

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.tasks import Classify, Detect, Labels, Regress, Segment
from pellucid.tasks.evidence import evidence

NAMES = ("cat", "dog", "hen")


@pytest.mark.parametrize("task", [Classify(NAMES), Labels(NAMES)])
def test_of_an_image_it_is_the_logit_of_the_class_or_label(task: Classify | Labels) -> None:
    outputs = np.array([0.5, 2.0, -1.0])
    assert evidence(task, outputs).label == 1
    found = evidence(task, outputs, 2)
    assert (found.label, found.score(outputs), found.where) == (2, -1.0, None)


def test_of_pixels_it_is_the_mean_logit_of_those_of_the_class() -> None:
    outputs = np.random.default_rng(0).normal(size=(3, 4, 5))
    of_class = outputs.argmax(axis=0) == 2
    found = evidence(Segment(NAMES), outputs, 2)
    assert found.where is not None
    np.testing.assert_array_equal(found.where, of_class)
    assert found.score(outputs) == pytest.approx(outputs[2][of_class].mean())
    most = np.bincount(outputs.argmax(axis=0)[:2, :3].ravel(), minlength=3).argmax()
    inner = evidence(Segment(NAMES), outputs, part=(2, 3))
    assert inner.label == most and inner.where is not None and not inner.where[2:].any()


def test_a_class_of_no_pixel_is_refused() -> None:
    outputs = np.zeros((3, 2, 2))
    outputs[0] = 1
    with pytest.raises(PellucidError, match="no pixel is taken for hen, there are cat"):
        evidence(Segment(NAMES), outputs, 2)


def test_of_places_it_is_the_mean_logit_of_those_half_as_sure_as_the_surest() -> None:
    task = Detect(NAMES)
    outputs = np.full((8, 3, 3), -9.0)
    outputs[7] = 20  # of a quality of 1
    outputs[1, 0, 0], outputs[1, 1, 1], outputs[1, 2, 2] = 2.0, 1.5, -4.0
    found = evidence(task, outputs)
    assert found.label == 1 and found.where is not None
    assert [tuple(place) for place in np.argwhere(found.where)] == [(0, 0), (1, 1)]
    assert found.score(outputs) == pytest.approx((2.0 + 1.5) / 2)
    assert evidence(task, outputs, part=(1, 1)).score(outputs) == pytest.approx(2.0)


def test_numbers_have_no_class() -> None:
    with pytest.raises(PellucidError, match="expected a network that tells classes"):
        evidence(Regress(("height",)), np.zeros(1))
