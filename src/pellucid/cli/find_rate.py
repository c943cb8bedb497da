"""`pellucid find-rate`: a learning rate to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_note, working
from pellucid.cli.overrides import NONE, Overrides
from pellucid.cli.train import chosen_recipe


def find_rate(
    recipe: Annotated[
        str | None, Parameter(help="A recipe's name or TOML file, or a folder of pictures; by default deep-convnet.")
    ] = None,
    /,
    *,
    overrides: Overrides = NONE,
    steps: Annotated[Count, Parameter(help="Steps of the trial.")] = 120,
    lowest: Annotated[float, Parameter(help="The first step's rate.")] = 1e-6,
    highest: Annotated[float, Parameter(help="The last step's rate, unless the loss explodes before.")] = 10.0,
    out: Annotated[Path, Parameter(help="Picture of the loss at each rate.")] = Path("find-rate.png"),
    machine: Machine = DEFAULT,
) -> None:
    """Train some steps on rates that rise from almost nothing until the loss explodes, and suggest one of them.

    The suggestion is the rate at which the loss has fallen half way. It is for schedules that warm up and anneal, as
    one-cycle does; a constant rate should be a third of it.
    """
    from pellucid.analysis.rate_curve import rate_curve
    from pellucid.files import write_picture
    from pellucid.recipes import build_trainer
    from pellucid.training.find_rate import find_rate as find

    machine.use()
    found, _ = chosen_recipe(recipe, overrides)
    with working("training on rising rates"):
        rates = find(build_trainer(found), steps, lowest, highest)
    write_picture(out, rate_curve(rates.rates, rates.losses, rates.smoothed, rates.suggestion), "find-rate")
    print_note(
        f"suggested: --rate {rates.suggestion:.2g} (where the loss has fallen half way; it is least at "
        f"{rates.least:.2g}); the recipe {found.name} has {found.optimizer.get('rate', 0):g}"
    )
    print_note(str(out))
