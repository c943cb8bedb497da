"""`pellucid import-book`: weights trained with the book's code, as a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.output import print_note


def import_book(
    file: Annotated[Path, Parameter(help="deep_convnet_params.pkl: a pickled dict of arrays W1..W8, b1..b8.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="Run folder to make; by default one in runs/.")] = None,
) -> None:
    """Make a run folder of the book's weights, for `evaluate` and `predict`.

    Only arrays are taken out of the file; a pickle that asks for anything else is refused.
    """
    from pellucid.recipes.book import import_book_run

    run = import_book_run(file, out)
    print_note(f"the book's DeepConvNet is in {run.path}\ntry: pellucid evaluate {run.path}")
