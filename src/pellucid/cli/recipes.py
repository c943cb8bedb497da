"""`pellucid recipes`: what there is to train."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.output import print_note, print_table


def recipes(
    name: Annotated[str | None, Parameter(help="Recipe, file or run folder to print in full, as TOML.")] = None,
    /,
) -> None:
    """List the recipes of the package with their descriptions, or print one."""
    from pellucid.recipes import list_recipes, load_recipe, recipe_toml

    if name is None:
        print_table(("recipe", "description"), list(list_recipes().items()), wrapped="description")
    else:
        print_note(recipe_toml(load_recipe(name)).rstrip())
