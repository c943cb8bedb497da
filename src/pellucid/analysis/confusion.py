"""Which classes a classifier takes for which, and the images that it gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.analysis.figures import (
    PALETTE,
    SEQUENTIAL,
    figure_png,
    image_png,
    mosaic,
    new_figure,
    photograph,
    plain,
)
from pellucid.analysis.page import Page
from pellucid.data import Dataset, Loader
from pellucid.data.text_files import readable
from pellucid.ops.arrays import Array
from pellucid.plan import AnyNetwork, answering

NUMBERED = 20  # classes up to which the matrix is written out
SHOWN = 200  # misclassified images on the page
HARDEST = 50  # images of the largest loss
PAIRS = 20  # of classes that are confused
BINS = 10  # of sureness
_LEAST = 1e-30  # probability, so that a loss is finite


@dataclass(frozen=True)
class Mistake:
    """An image taken for another class. index: in the data set. probability: of the class that it was taken for."""

    index: int
    label: int
    guess: int
    probability: float


@dataclass(frozen=True, eq=False)
class Confused:
    """What a classifier makes of images.

    matrix: (K, K), number of images of the row's class taken for the column's. mistakes: the surest first. sureness:
    (N,) probability of what each image is taken for. right: (N,) whether it is that. losses: (N,) minus the logarithm
    of the label's probability. indices: (N,) of the images in the data set.
    """

    matrix: Array
    mistakes: list[Mistake]
    sureness: Array
    right: Array
    losses: Array
    indices: Array

    @property
    def accuracy(self) -> float:
        """Part of the images that are taken for what they are."""
        return float(np.trace(self.matrix) / self.matrix.sum())


def confusion(network: AnyNetwork, loader: Loader) -> Confused:
    """Guesses for every image of the loader's data set that has a class, in inference."""
    K = loader.dataset.classes
    matrix, mistakes = np.zeros((K, K), np.int64), []
    rows: list[tuple[Array, Array, Array, Array]] = []
    answer = answering(network)
    for batch in loader.epoch(0):
        probabilities = ops.host(ops.softmax(answer(batch.inputs)))
        guesses = probabilities.argmax(axis=1)
        known = (batch.targets >= 0) & (batch.targets < K)  # others are ignored labels
        np.add.at(matrix, (batch.targets[known], guesses[known]), 1)
        own = np.take_along_axis(probabilities[known], batch.targets[known, None], 1)[:, 0].astype(np.float64)
        sureness, right = probabilities.max(axis=1)[known], guesses[known] == batch.targets[known]
        rows.append((sureness, right, -np.log(np.maximum(own, _LEAST)), batch.samples[known]))
        for i in np.flatnonzero(known & (guesses != batch.targets)):
            label, guess = int(batch.targets[i]), int(guesses[i])
            mistakes.append(Mistake(int(batch.samples[i]), label, guess, float(probabilities[i, guess])))
    mistakes.sort(key=lambda mistake: (-mistake.probability, mistake.index))
    return Confused(matrix, mistakes, *(np.concatenate(part) for part in zip(*rows, strict=True)))


def confusion_page(title: str, found: Confused, dataset: Dataset) -> bytes:
    """HTML: the matrix, measures of each class, the classes most confused, how far the network's probabilities can be
    trusted, and the images that it gets wrong or knows least, with their paths.
    """
    names, total = dataset.class_names, int(found.matrix.sum())
    page = Page(title)
    page.text(f"{total - len(found.mistakes):,} of {total:,} images are right: {100 * found.accuracy:.2f} %.")
    page.heading("Confusion matrix")
    page.picture(draw_matrix(found.matrix, names), "Rows: what the images are. Columns: what they are taken for.")
    page.table(("class", "images", "recall %", "precision %", "F1 %"), _per_class(found.matrix, names))
    if pairs := most_confused(found.matrix):
        page.heading("Most confused")
        page.table(("is", "taken for", "images"), [(names[i], names[j], f"{count:,}") for i, j, count in pairs])
    page.heading("Calibration")
    page.picture(
        draw_calibration(found.sureness, found.right),
        "How often the network is right, by how sure it is: on the diagonal it can be taken at its word. "
        f"Expected calibration error: {100 * calibration_error(found.sureness, found.right):.2f} %.",
    )
    page.heading(
        f"Misclassified images: {min(SHOWN, len(found.mistakes))} of {len(found.mistakes)}, the surest first"
    )
    shown = []
    for mistake in found.mistakes[:SHOWN]:
        caption = f"{names[mistake.label]}, taken for {names[mistake.guess]} ({100 * mistake.probability:.0f} %)"
        shown.append((_thumbnail(dataset, mistake.index), f"{caption}, {name_of(dataset, mistake.index)}"))
    page.grid(shown)
    worst = np.argsort(-found.losses, kind="stable")[:HARDEST]
    page.heading(f"The {len(worst)} images of the largest loss")
    rows = [(name_of(dataset, int(found.indices[i])), f"{found.losses[i]:.3f}") for i in worst]
    page.table(("image", "loss"), rows)
    return page.html()


def _thumbnail(dataset: Dataset, index: int) -> bytes:
    tile = photograph(np.asarray(dataset.inputs[np.array([index])])[0])
    return image_png(mosaic(tile[None], width=120, side=84))


def name_of(dataset: Dataset, index: int) -> str:
    """An image's path in its data, or its place where it has none."""
    return f"image {index}" if dataset.keys is None else readable(dataset.keys[index])


def most_confused(matrix: Array) -> list[tuple[int, int, int]]:
    """(class, class that it is taken for, number of images), the most frequent mistakes first."""
    wrong = matrix * ~np.eye(len(matrix), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [(int(i), int(j), int(wrong[i, j])) for i, j in zip(rows, columns, strict=True) if wrong[i, j]]


def calibration(sureness: Array, right: Array) -> list[tuple[float, float, int]]:
    """(mean sureness, share that is right, images) of each tenth of sureness in which there are images."""
    tenth = np.minimum((sureness * BINS).astype(int), BINS - 1)
    groups = [tenth == k for k in range(BINS)]
    return [(float(sureness[g].mean()), float(right[g].mean()), int(g.sum())) for g in groups if g.any()]


def calibration_error(sureness: Array, right: Array) -> float:
    """The mean distance of sureness from the share that is right, over images in tenths (Guo et al. 2017)."""
    parts = calibration(sureness, right)
    return sum(count * abs(sure - share) for sure, share, count in parts) / max(1, len(sureness))


def draw_calibration(sureness: Array, right: Array) -> bytes:
    """PNG of the share that is right by sureness, and below it how many images are how sure."""
    parts = calibration(sureness, right)
    figure = new_figure(4.5, 4.5)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot((0, 1), (0, 1), color="#888888", linestyle=":")
    above.plot([sure for sure, _, _ in parts], [share for _, share, _ in parts], "o-", color=PALETTE[0])
    above.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    below.hist(sureness, bins=np.linspace(0, 1, BINS + 1), color=PALETTE[0])
    below.set(xlabel="probability given", ylabel="images")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return figure_png(figure)


def _per_class(matrix: Array, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Recall: part of a class's images that are found. Precision: part of those taken for it that are of it. F1:
    twice what is right over both wholes together.
    """
    rows = []
    for k, name in enumerate(names):
        own, taken = int(matrix[k].sum()), int(matrix[:, k].sum())
        ratios = ((matrix[k, k], own), (matrix[k, k], taken), (2 * matrix[k, k], own + taken))
        shares = [f"{100 * part / whole:.2f}" if whole else "-" for part, whole in ratios]
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
