"""`pellucid look`: what a network is to learn from, before it does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count
from pellucid.cli.output import print_note, print_notes, print_table
from pellucid.cli.overrides import NONE, Overrides

if TYPE_CHECKING:
    from pellucid.recipes import Recipe

_DOUBTS = 20  # that are printed; the page has more


def look(
    data: Annotated[str, Parameter(help="A folder of pictures; or a recipe, whose data are looked at.")],
    /,
    *,
    overrides: Overrides = NONE,
    count: Annotated[Count, Parameter(help="Pictures on the sheet.")] = 24,
    out: Annotated[Path, Parameter(help="Folder for look.html and look.png.")] = Path("look"),
) -> int:
    """Show pictures with labels, boxes or masks as the network will see them, augmented; count; name doubtful files.

    Doubtful are files that can't be read (exit code 1 then), pictures that are there twice, above all in two parts or
    classes, tiny ones, slivers, and those of one shade.
    """
    from pellucid.files import write_whole
    from pellucid.recipes.look import look_at_data, look_at_files, relative

    folder = _folder(data, overrides)
    looks, seen = look_at_files(folder) if folder is not None else ({}, None)
    lines: list[str] = []
    if seen is None:
        recipe, lines = _recipe(data, overrides)
        seen = look_at_data(recipe, folder, looks, count)
    base = folder or Path()
    print_notes(list(dict.fromkeys([*lines, *seen.notes])), " on the page")
    if seen.counts:
        rows = [(name, *map("{:,}".format, numbers)) for name, numbers in seen.counts]
        print_table(("class", *seen.parts), rows, right=seen.parts)
    if seen.doubts:
        print_note(f"{len(seen.doubts):,} doubtful files:")
        for doubt in seen.doubts[:_DOUBTS]:
            print_note(f"  {relative(doubt.file, base)}: {doubt.why}")
        if len(seen.doubts) > _DOUBTS:
            print_note(f"  and {len(seen.doubts) - _DOUBTS:,} more on the page")
    write_whole(out / "look.html", seen.page(base))
    if seen.sheet is not None:
        write_whole(out / "look.png", seen.sheet)
    print_note(f"{out / 'look.html'}")
    return 0 if seen.sheet is not None else 1


def _recipe(data: str, overrides: Overrides) -> tuple[Recipe, list[str]]:
    """The recipe whose data are meant, and what is to be said of how it was chosen."""
    from pellucid.recipes import load_recipe
    from pellucid.recipes.for_folder import folder_recipe

    if _is_folder(data):
        return folder_recipe(Path(data), overrides.by_key())
    return load_recipe(data, overrides.by_key()), []


def _folder(data: str, overrides: Overrides) -> Path | None:
    """The folder of picture files that is meant; None where the data are others."""
    from pellucid.data.formats.cifar import find_cifar
    from pellucid.data.formats.idx_sets import find_idx_set
    from pellucid.recipes import load_recipe

    source = Path(data if _is_folder(data) else load_recipe(data, overrides.by_key()).data.source)
    return source.resolve() if source.is_dir() and not (find_idx_set(source) or find_cifar(source)) else None


def _is_folder(data: str) -> bool:
    from pellucid.recipes.load import RUN_RECIPE

    return Path(data).is_dir() and not (Path(data) / RUN_RECIPE).exists()
