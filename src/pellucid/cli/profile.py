"""`pellucid profile`: where a training step's time goes, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count, switch
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import dimensions, print_json, print_note, print_table, working
from pellucid.cli.subject import CLASSES_HELP, INPUT_HELP, SUBJECT_HELP, open_subject

NUMBERS = ("forward ms", "backward ms", "share")


def profile(
    name: Annotated[str, Parameter(help=SUBJECT_HELP)] = "deep-convnet",
    /,
    *,
    batch_size: Annotated[Count, Parameter(help="Images of a step.")] = 16,
    input_: Annotated[str | None, Parameter(name="--input", help=INPUT_HELP)] = None,
    classes: Annotated[Count | None, Parameter(help=CLASSES_HELP)] = None,
    machine: Machine = DEFAULT,
    json: Annotated[bool, switch("Print JSON.")] = False,
) -> None:
    """Time every layer of training steps on noise, forwards and backwards, and the update of the weights."""
    from pellucid.analysis.profile import profile as profiled
    from pellucid.training.optimizers import Adam

    backend = machine.use()
    subject = open_subject(name, input_, classes)
    with working("timing training steps"):
        found = profiled(subject.network, batch_size, Adam(1e-6).update)
    if json:
        print_json(asdict(found) | {"backend": backend, "seconds": found.seconds})
        return
    print_table(
        ("layer", "kind", "output", *NUMBERS),
        [
            (
                row.name,
                row.kind,
                dimensions(row.output_shape),
                f"{1e3 * row.forward:.3f}",
                f"{1e3 * row.backward:.3f}",
                f"{row.seconds / found.seconds:.1%}",
            )
            for row in found.rows
        ],
        title=f"{subject.title}, {batch_size} images a step, {backend}",
        footer=("total", "", "", f"{1e3 * found.forward:.3f}", f"{1e3 * found.backward:.3f}", ""),
        right=NUMBERS,
    )
    rest = f"update (Adam) {1e3 * found.update:.3f} ms, {found.update / found.seconds:.1%}"
    print_note(f"\n{rest}; step {1e3 * found.seconds:.3f} ms without loss and loading. Times are medians.")
