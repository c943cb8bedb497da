"""Confusion matrix and misclassified images of a classifier."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pellucid.analysis.confusion import (
    calibration,
    calibration_error,
    confusion,
    confusion_page,
    draw_matrix,
    most_confused,
)
from pellucid.data import Dataset, Loader
from pellucid.graph import Sequential
from pellucid.layers import Flatten
from pellucid.network import Network
from pellucid.ops.arrays import Array

LABELS = np.array([0, 1, 2, 2, 1, 0, 2])
GUESSES = np.array([0, 1, 1, 2, 0, 0, 1])
SURENESS = np.array([9, 9, 2, 9, 5, 9, 3])
NETWORK = Network(Sequential(Flatten()), (1, 1, 3))


def logits() -> Array:
    """Images of three pixels, which a network that only flattens gives out as logits."""
    images = np.zeros((7, 1, 1, 3), np.float32)
    images[np.arange(7), 0, 0, GUESSES] = SURENESS
    return images


def dataset() -> Dataset:
    return Dataset(logits(), LABELS, ("cat", "dog", "<eel>"), "animals")


def test_every_image_is_counted_and_mistakes_come_surest_first() -> None:
    found = confusion(Network(Sequential(Flatten()), (1, 1, 3)), Loader(dataset(), 3, shuffle=False))
    assert found.matrix.tolist() == [[2, 0, 0], [1, 1, 0], [0, 2, 1]]
    assert found.accuracy == 4 / 7
    assert [(m.index, m.label, m.guess) for m in found.mistakes] == [(4, 1, 0), (6, 2, 1), (2, 2, 1)]
    assert found.mistakes[0].probability == pytest.approx(np.exp(5) / (np.exp(5) + 2), rel=1e-5)


def test_the_page_shows_them() -> None:
    found = confusion(Network(Sequential(Flatten()), (1, 1, 3)), Loader(dataset(), 3, shuffle=False))
    html = confusion_page("run", found, dataset()).decode()
    assert "4 of 7 images are right: 57.14 %." in html
    assert html.index("dog, taken for cat (99 %), image 4") < html.index("&lt;eel&gt;, taken for dog (79 %), image 2")
    assert html.count("data:image/png") == 2 + 3
    grid = html[html.index('<div class="grid">') :]
    assert grid[: grid.index("</div>")].count("<figure>") == 3
    assert "<td>&lt;eel&gt;</td><td>3</td><td>33.33</td><td>100.00</td><td>50.00</td>" in html
    assert "<tr><td>&lt;eel&gt;</td><td>dog</td><td>2</td></tr><tr><td>dog</td><td>cat</td><td>1</td></tr>" in html
    assert html.index("<td>image 4</td><td>5.013</td>") < html.index("<td>image 6</td><td>3.095</td>")


def test_images_are_called_by_their_paths() -> None:
    named = replace(dataset(), keys=tuple(f"zoo/{i}.jpg" for i in range(7)))
    html = confusion_page("run", confusion(NETWORK, Loader(named, 3, shuffle=False)), named).decode()
    assert "dog, taken for cat (99 %), zoo/4.jpg" in html and "<td>zoo/4.jpg</td>" in html


def test_calibration_is_right_by_tenths_of_sureness() -> None:
    sureness = np.array([0.55, 0.58, 0.91, 0.95, 0.99, 1.0])
    right = np.array([True, False, True, True, False, True])
    np.testing.assert_allclose(calibration(sureness, right), [(0.565, 0.5, 2), (0.9625, 0.75, 4)])
    assert calibration_error(sureness, right) == pytest.approx((2 * 0.065 + 4 * 0.2125) / 6)


def test_most_confused_are_the_largest_off_the_diagonal() -> None:
    assert most_confused(np.array([[9, 1, 0], [4, 9, 0], [2, 0, 9]])) == [(1, 0, 4), (2, 0, 2), (0, 1, 1)]


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_the_matrix_is_drawn_at_any_size(classes: int) -> None:
    matrix = np.random.default_rng(0).integers(0, 9, (classes, classes))
    picture = Image.open(io.BytesIO(draw_matrix(matrix, [f"class {k}" for k in range(classes)])))
    assert 400 < picture.width < 1800


def test_a_class_without_images_or_guesses_has_no_share() -> None:
    few = Dataset(logits()[:2], LABELS[:2], ("cat", "dog", "eel"), "animals")
    found = confusion(Network(Sequential(Flatten()), (1, 1, 3)), Loader(few, 3, shuffle=False))
    assert b"<td>eel</td><td>0</td><td>-</td><td>-</td>" in confusion_page("run", found, few)
