"""`pellucid predict`: what a trained network says of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.boxes import draw_detections
from pellucid.cli.flags import Count, switch
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.masks import draw_masks
from pellucid.cli.output import print_json, print_table
from pellucid.cli.subject import LAST, trained
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.tasks import Guess

RANKS = ("1st", "2nd", "3rd", "4th", "5th")


def predict(
    *paths: Annotated[
        str, Parameter(name="[RUN] IMAGE", help=f"PNG or JPEG files; before them a run folder, if it isn't {LAST}.")
    ],
    top: Annotated[Count, Parameter(help="How many classes to name for each image.")] = 3,
    out: Annotated[
        str | None, Parameter(help="Folder for pictures and masks; by default predictions/ in the run folder.")
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
    from pellucid.recipes.shrink import open_any

    run, images = parted(paths)
    machine.use()
    model = pretrained_model(str(run)) if is_pretrained(str(run)) else open_any(trained(run), best=best)
    draw = {"segment": draw_masks, "detect": draw_detections}.get(model.recipe.task["name"])
    if draw is not None:
        draw(model, images, model.path.parent / "predictions" if out is None else Path(out), json)
        return
    found = guess(model, images, top)
    if json:
        print_json([_as_json(image, guesses) for image, guesses in zip(images, found, strict=True)])
    else:
        _show(images, found)


def parted(paths: Sequence[str]) -> tuple[Path, list[Path]]:
    """The run and the images: the first path is a run if it is a folder or a model's file, or a pretrained
    network's name.

    Raises PellucidError where no image is left.
    """
    run, images = Path(LAST), [Path(path) for path in paths]
    if images and (images[0].is_dir() or images[0].suffix == ".safetensors" or is_pretrained(paths[0])):
        run = images.pop(0)
    if not images:
        raise PellucidError("expected image files, got none")
    return run, images


def is_pretrained(name: str) -> bool:
    """Whether that is the name of a network whose weights come as a package, and no file's or folder's."""
    from pellucid.exchange.pretrained import PRETRAINED

    return name in PRETRAINED and not Path(name).exists()


def _as_json(image: Path, guesses: list[Guess]) -> dict[str, object]:
    best = [{"class": guess.name, "probability": guess.probability} for guess in guesses]
    return {"image": str(image), "guesses": best}


def _show(images: list[Path], found: list[list[Guess]]) -> None:
    """A line an image."""
    count = max(map(len, found))
    names = [RANKS[i] if i < len(RANKS) else f"{i + 1}th" for i in range(count)]
    columns = [column for name in names for column in (name, f"{name} %")]
    print_table(
        ("image", *columns),
        [(str(image), *_cells(guesses)) for image, guesses in zip(images, found, strict=True)],
        right=[column for column in columns if column.endswith("%")],
        wrapped="image",
    )


def _cells(guesses: list[Guess]) -> list[str]:
    return [cell for guess in guesses for cell in (guess.name, f"{100 * guess.probability:.2f}")]
