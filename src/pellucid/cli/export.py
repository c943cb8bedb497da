"""`pellucid export`: a network as a program for another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pellucid.cli.output import print_note
from pellucid.cli.subject import LAST, trained


def export(
    run: Annotated[
        Path, Parameter(help="A run folder that pellucid shrink has seen, or an integer network's file.")
    ] = Path(LAST),
    /,
    *,
    to: Annotated[Literal["c"], Parameter(help="The language: C99 without any library.")] = "c",
    out: Annotated[Path, Parameter(help="Folder to write to.")] = Path("c"),
    bits: Annotated[
        int | None, Parameter(help="Which of the run's integer networks; by default the one last made.")
    ] = None,
) -> None:
    """Write an integer network as C: network.h, network.c, a demo that reads PGM images, and a Makefile."""
    from pellucid.export import export_c
    from pellucid.recipes.shrink import open_shrunk

    shrunk = open_shrunk(trained(run), bits)
    done = export_c(shrunk.network, out, shrunk.class_names)
    print_note(f"{shrunk.path} ({shrunk.title}) to {', '.join(str(file) for file in done.files)}")
    print_note(f"RAM: {done.ram:,} bytes, static, input and logits included")
    print_note(f"flash: {done.constants:,} bytes of constants, and the code (make -C {out} size)")
    print_note(f"to run it: make -C {out} && {out}/demo digit.pgm")
