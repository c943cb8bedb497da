"""`pellucid explain`: where on an image a trained network finds what speaks for a class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from pellucid.cli.flags import Count, switch
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_json, print_table
from pellucid.cli.predict import is_pretrained, parted
from pellucid.cli.subject import LAST, trained

if TYPE_CHECKING:
    from pellucid.recipes.explain import ExplainedFile


def explain(
    *paths: Annotated[
        str, Parameter(name="[RUN] IMAGE", help=f"PNG or JPEG files; before them a run folder, if it isn't {LAST}.")
    ],
    class_: Annotated[
        str | None, Parameter(name="--class", help="The class, or a part of its name; by default the likeliest.")
    ] = None,
    method: Annotated[
        Literal["both", "grad-cam", "occlusion"], Parameter(help="One of the two ways to look at it, or both.")
    ] = "both",
    layer: Annotated[
        str | None, Parameter(help="Layer whose maps Grad-CAM weighs; by default the last of the coarsest.")
    ] = None,
    patch: Annotated[
        Count | None, Parameter(help="Side of the square that covers parts, pixels; by default a 7th of the image's.")
    ] = None,
    out: Annotated[
        Path | None, Parameter(help="Folder for the pictures; by default explained/ in the run folder.")
    ] = None,
    best: Annotated[bool, switch("The run's best model instead of its last.")] = False,
    json: Annotated[bool, switch("Print JSON.")] = False,
    machine: Machine = DEFAULT,
) -> None:
    """Show where on each image lies what speaks for a class: Grad-CAM, and what is lost where a part is covered, both
    laid over the image. A network that classifies pixels is asked about all pixels that it takes for the class, a
    detector about the places that find it."""
    from pellucid.recipes import open_model
    from pellucid.recipes.explain import METHODS, explain_files
    from pellucid.recipes.imported import pretrained_model

    run, images = parted(paths)
    machine.use()
    known = is_pretrained(str(run))
    model = pretrained_model(str(run)) if known else open_model(trained(run), best=best)
    folder = out or (Path("explained") if known else model.path.parent / "explained")
    found = list(
        explain_files(
            model,
            images,
            folder,
            class_name=class_,
            methods=METHODS if method == "both" else (method,),
            layer=layer,
            side=patch,
        )
    )
    if json:
        print_json([_as_json(file) for file in found])
        return
    print_table(
        ("image", "class", "score", "layer", "picture"),
        [(str(file.image), file.class_name, f"{file.score:.3f}", file.layer, str(file.picture)) for file in found],
        right=("score",),
    )


def _as_json(file: ExplainedFile) -> dict[str, object]:
    maps = {method: values.round(5).tolist() for method, values in file.maps.items()}
    about = {"image": str(file.image), "class": file.class_name, "score": round(file.score, 5), "layer": file.layer}
    return {**about, "picture": str(file.picture), "maps": maps}
