"""`pellucid predict`: what a trained network says of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.answers import Format, Target, answer_folder, as_json, list_unread, readable, show_guesses
from pellucid.cli.boxes import draw_detections
from pellucid.cli.flags import Count, Share, switch
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.masks import draw_masks
from pellucid.cli.output import print_json
from pellucid.cli.subject import LAST, MODEL_FILES, trained
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.recipes import AnyModel

FIRST, FIRST_OF_MANY, MANY = 3, 5, 100
"""Classes that are named unless somebody says how many: of few classes, of more than so many."""


def predict(
    *paths: Annotated[
        str,
        Parameter(
            name="[RUN] IMAGE",
            help=f"Picture files, or folders of them; before them a run folder, if it isn't {LAST}.",
        ),
    ],
    top: Annotated[
        Count | None, Parameter(help="How many classes to name for each image; by default 3, of many classes 5.")
    ] = None,
    format_: Annotated[
        Format | None,
        Parameter(
            name="--format",
            help="A table, CSV, JSON, or pictures with what is said of them; one that can't be read is skipped.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        Parameter(help="File for CSV and JSON; else folder for pictures, by default predictions/ in the run folder."),
    ] = None,
    score: Annotated[
        Share | None, Parameter(help="Of a detector: how sure it must be of what is drawn, listed and counted.")
    ] = None,
    best: Annotated[bool, switch("The run's best model instead of its last.")] = False,
    json: Annotated[bool, switch("Print JSON.")] = False,
    machine: Machine = DEFAULT,
) -> None:
    """Name the likeliest classes of each image, with their probabilities; or do what else the run's task is.

    Digits may have any size, dark on light or light on dark: they are centred and scaled as MNIST's were. A network
    that classifies pixels writes, for images of any size, the mask as a palette PNG and an overlay with a legend. A
    detector draws its boxes, with class and score; --json prints them as COCO's results.
    """
    from pellucid.recipes.imported import pretrained_model
    from pellucid.recipes.predict import guess
    from pellucid.recipes.predict_files import pictures_in
    from pellucid.recipes.shrink import open_any

    run, given = parted(paths)
    images, roots = pictures_in(given), [path for path in given if path.is_dir()]
    machine.use()
    model = pretrained_model(str(run)) if is_pretrained(str(run)) else open_any(trained(run), best=best)
    if score is not None:
        model = surer(model, score)
    draw = {"segment": draw_masks, "detect": draw_detections}.get(model.recipe.task["name"])
    if draw is not None:
        target = Target(format_ or ("json" if json else "table"), Path(out) if out else None)
        target.check(images, roots)
        images, unread = readable(images) if format_ or roots else (images, None)
        draw(model, images, target, unread)
        list_unread(unread or [])
        return
    most = top or (FIRST_OF_MANY if len(model.class_names) > MANY else FIRST)
    target = Target(format_ or ("json" if json else "table"), Path(out) if out else None)
    target.check(images, roots)
    if target.form == "table" and out:
        raise PellucidError("--out: a classifier's answers are printed; to write them, --format csv, json or images")
    if format_ or roots or (json and out):
        answer_folder(model, images, roots, most, target)
        return
    found = guess(model, images, most)
    if json:
        print_json([as_json(image, guesses) for image, guesses in zip(images, found, strict=True)])
    else:
        show_guesses(images, found)


def surer(model: AnyModel, score: float) -> AnyModel:
    """The model, which shows and lists what it is so sure of, and nothing else.

    Raises PellucidError where its task has no scores.
    """
    from pellucid.tasks import Detect

    task = model.task
    if not isinstance(task, Detect):
        raise PellucidError(
            f"--score: expected a detector, got {model.path}, whose task is {model.recipe.task['name']}"
        )
    return replace(model, task=replace(task, shown_score=score, least_score=max(score, task.least_score)))


def parted(paths: Sequence[str]) -> tuple[Path, list[Path]]:
    """The run and the images: the first path is a run if it is a model's file, a pretrained network's name, or a
    folder that is not one of pictures.

    Raises PellucidError where no image is left.
    """
    from pellucid.training.folder import find_run

    run, images = Path(LAST), [Path(path) for path in paths]
    if images and not is_pretrained(paths[0]):
        images[0] = find_run(images[0])
    if images and (_is_run(images[0]) or is_pretrained(paths[0])):
        run = images.pop(0)
    if not images:
        raise PellucidError("expected image files, got none")
    return run, images


def _is_run(path: Path) -> bool:
    """Whether a path is a run's or a model's."""
    from pellucid.recipes.load import RUN_RECIPE
    from pellucid.recipes.predict_files import pictures_in

    if not path.is_dir():
        return path.suffix in MODEL_FILES
    try:
        return (path / RUN_RECIPE).exists() or not pictures_in([path])
    except PellucidError:  # it has none
        return True


def is_pretrained(name: str) -> bool:
    """Whether that is the name of a network whose weights come as a package, and no file's or folder's."""
    from pellucid.exchange.pretrained import PRETRAINED

    return name in PRETRAINED and not Path(name).exists()
