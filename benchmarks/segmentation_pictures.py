"""Pictures of what trained networks make of the same test scenes.

    python -m benchmarks.segmentation_pictures OUT.png RUN [RUN ...] [--scenes N]

A row a run, under the scenes and their true masks; beside it the run folder and its mean IoU over the test set.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pellucid import training
from pellucid.data import Data
from pellucid.ops.arrays import Array
from pellucid.recipes import Model, build_data, build_loader, open_model
from pellucid.tasks.mask_pictures import palette


def masks(model: Model, data: Data, count: int) -> Array:
    """The network's masks of the first test scenes."""
    batch = next(iter(build_loader(model.recipe, data.test.subset(range(count)), training=False).epoch(0)))
    classes: Array = model.network.forward(batch.inputs).argmax(axis=1)
    return classes


def mean_iou(model: Model, data: Data) -> float:
    loader = build_loader(model.recipe, data.test, training=False)
    return training.evaluate(model.network, model.task, loader)["mean_iou"]


def draw(rows: list[tuple[str, Array]], names: tuple[str, ...], path: Path) -> None:
    """Rows of pictures (n, H, W): the first grey, the others classes."""
    count, (H, W) = len(rows[0][1]), rows[0][1].shape[1:]
    figure = Figure(figsize=(2.1 * count + 2.2, 2.1 * H / W * len(rows) + 0.6), dpi=110, layout="constrained")
    axes: Any = figure.subplots(len(rows), count, squeeze=False)
    colours = ListedColormap(palette(len(names)) / 255)
    for row, (label, pictures) in enumerate(rows):
        for axis, picture in zip(axes[row], pictures, strict=True):
            grey = row == 0
            settings: Any = {"cmap": "gray"} if grey else {"cmap": colours, "vmin": -0.5, "vmax": len(names) - 0.5}
            axis.imshow(picture, interpolation="nearest", **settings)
            axis.set(xticks=[], yticks=[])
        axes[row][0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=11)
    legend = [Patch(facecolor=colours(k), edgecolor="black", label=name) for k, name in enumerate(names)]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(names), frameon=False, handlelength=1.2)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--scenes", type=int, default=6)
    given = parser.parse_args()
    models = [open_model(run) for run in given.runs]
    data = build_data(models[0].recipe)
    shown = slice(0, given.scenes)
    rows = [("scene", np.asarray(data.test.inputs[shown])[:, 0]), ("truth", data.test.targets[shown])]
    for run, model in zip(given.runs, models, strict=True):
        title = f"{run.name.replace('-', chr(10), 1)}\n{100 * mean_iou(model, data):.1f} %"
        rows.append((title, masks(model, data, given.scenes)))
    draw(rows, data.test.class_names, given.out)


if __name__ == "__main__":
    main()
