"""`pellucid shrink`: a trained network in integers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import byte_count, print_note
from pellucid.cli.subject import DATA_HELP, LAST, RUN_HELP, others_for, trained


def shrink(
    run: Annotated[Path, Parameter(help=RUN_HELP)] = Path(LAST),
    /,
    *,
    data: Annotated[str | None, Parameter(help=DATA_HELP)] = None,
    bits: Annotated[
        int | None, Parameter(help="Of a weight: 8, 4 or 2; by default what the run was trained for, else 8.")
    ] = None,
    epochs: Annotated[
        float, Parameter(help="Train so long with rounding first, from the trained weights on; 0: only convert.")
    ] = 0.0,
    machine: Machine = DEFAULT,
) -> None:
    """Convert weights to 8, 4 or 2 bits and activations to 8, so that integer arithmetic is enough."""
    from pellucid.recipes.shrink import shrink_run
    from pellucid.training.callbacks.progress import Progress

    machine.use()
    path = trained(run)
    callbacks = [Progress(1)] if epochs else []
    shrunk = shrink_run(path, bits, epochs=epochs, data=others_for(path, data), callbacks=callbacks)
    network = shrunk.network
    print_note(
        f"{shrunk.path}: {shrunk.title}, {byte_count(network.weight_bytes)} of constants, "
        f"{byte_count(network.activation_bytes)} of activations an image"
    )
