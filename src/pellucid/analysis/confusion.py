"""Which classes a classifier takes for which, and the images that it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.analysis.figures import SEQUENTIAL, figure_png, image_png, mosaic, new_figure, photograph, plain
from pellucid.analysis.page import Page
from pellucid.data import Dataset, Loader
from pellucid.ops.arrays import Array
from pellucid.plan import AnyNetwork, answering

NUMBERED = 20  # classes up to which the matrix is written out
SHOWN = 200  # misclassified images on the page


@dataclass(frozen=True)
class Mistake:
    """An image taken for another class. index: in the data set. probability: of the class that it was taken for."""

    index: int
    label: int
    guess: int
    probability: float


@dataclass(frozen=True)
class Confused:
    """matrix: (K, K), number of images of the row's class taken for the column's. mistakes: the surest first."""

    matrix: Array
    mistakes: list[Mistake]

    @property
    def accuracy(self) -> float:
        """Part of the images that are taken for what they are."""
        return float(np.trace(self.matrix) / self.matrix.sum())


def confusion(network: AnyNetwork, loader: Loader) -> Confused:
    """Guesses for every image of the loader's data set that has a class, in inference."""
    K = loader.dataset.classes
    matrix, mistakes = np.zeros((K, K), np.int64), []
    answer = answering(network)
    for batch in loader.epoch(0):
        probabilities = ops.softmax(answer(batch.inputs))
        guesses = probabilities.argmax(axis=1)
        known = (batch.targets >= 0) & (batch.targets < K)  # others are ignored labels
        np.add.at(matrix, (batch.targets[known], guesses[known]), 1)
        for i in np.flatnonzero(known & (guesses != batch.targets)):
            label, guess = int(batch.targets[i]), int(guesses[i])
            mistakes.append(Mistake(int(batch.samples[i]), label, guess, float(probabilities[i, guess])))
    return Confused(matrix, sorted(mistakes, key=lambda mistake: (-mistake.probability, mistake.index)))


def confusion_page(title: str, found: Confused, dataset: Dataset) -> bytes:
    """HTML: the matrix, precision and recall of each class, and the misclassified images."""
    names, total = dataset.class_names, int(found.matrix.sum())
    page = Page(title)
    page.text(f"{total - len(found.mistakes):,} of {total:,} images are right: {100 * found.accuracy:.2f} %.")
    page.heading("Confusion matrix")
    page.picture(draw_matrix(found.matrix, names), "Rows: what the images are. Columns: what they are taken for.")
    page.table(("class", "images", "recall %", "precision %"), _per_class(found.matrix, names))
    page.heading(
        f"Misclassified images: {min(SHOWN, len(found.mistakes))} of {len(found.mistakes)}, the surest first"
    )
    for mistake in found.mistakes[:SHOWN]:
        caption = f"{names[mistake.label]}, taken for {names[mistake.guess]} ({100 * mistake.probability:.0f} %)"
        tile = photograph(np.asarray(dataset.inputs[np.array([mistake.index])])[0])
        page.picture(image_png(mosaic(tile[None], width=120, side=84)), f"{caption}, image {mistake.index}")
    return page.html()


def _per_class(matrix: Array, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Recall: part of a class's images that are found. Precision: part of those taken for it that are of it."""
    rows = []
    for k, name in enumerate(names):
        shares = [
            f"{100 * matrix[k, k] / of:.2f}" if of else "-" for of in (int(matrix[k].sum()), int(matrix[:, k].sum()))
        ]
        rows.append((name, f"{matrix[k].sum():,}", *shares))
    return rows


def draw_matrix(matrix: Array, names: Sequence[str]) -> bytes:
    """PNG of a confusion matrix (K, K). Colours are those of the mistakes; the diagonal, all right, stays white."""
    from matplotlib.ticker import MaxNLocator

    K = len(matrix)
    side = min(12.0, max(4.0, 1.5 + 0.45 * K))
    figure = new_figure(side + 1, side)
    axes = figure.subplots()
    wrong = np.ma.masked_array(matrix, np.eye(K, dtype=bool))
    most = max(1, int(wrong.filled(0).max()))
    image = axes.imshow(wrong, cmap=SEQUENTIAL, vmin=0, vmax=most)
    figure.colorbar(
        image, ax=axes, shrink=0.8, label="images taken for another class", ticks=MaxNLocator(integer=True)
    )
    names = [plain(name) for name in names]
    step = max(1, K // 40)  # more names than that would run into each other
    upright = max(map(len, names)) > 3
    axes.set_xticks(range(0, K, step), names[::step], rotation=90 if upright else 0, fontsize=9)
    axes.set_yticks(range(0, K, step), names[::step], fontsize=9)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    if K <= NUMBERED:
        for row, column in np.ndindex(K, K):
            dark = row != column and matrix[row, column] < 0.6 * most
            text = f"{matrix[row, column]}" if matrix[row, column] else ""
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    return figure_png(figure)
