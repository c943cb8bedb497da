"""`pellucid features`: what every layer makes of an image, as a sheet to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count, Whole
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_note
from pellucid.cli.predict import parted
from pellucid.cli.subject import LAST, data_for, trained

if TYPE_CHECKING:
    from pellucid.ops.arrays import Array


def features(
    *paths: Annotated[
        str, Parameter(name="[RUN] IMAGE", help=f"PNG or JPEG files; before them a run folder, if it isn't {LAST}.")
    ],
    channels: Annotated[
        list[int] | None,
        Parameter(consume_multiple=True, negative="", help="Channels to show patches for; by default the first few."),
    ] = None,
    patches: Annotated[Whole, Parameter(help="Patches a channel, and channels unless they are chosen; 0: none.")] = 8,
    images: Annotated[Count, Parameter(help="Test images that patches are looked for in.")] = 1000,
    out: Annotated[Path | None, Parameter(help="Folder for the sheets; by default features/ in the run.")] = None,
    machine: Machine = DEFAULT,
) -> None:
    """Write an HTML sheet an image: every layer's feature maps, the first layer's filters, and for chosen channels
    of each convolution the patches of test images that excite it most; and patches.png, an overview of those."""
    from pellucid.analysis.feature_sheet import feature_sheet
    from pellucid.analysis.features import exciting_patches, feature_maps, first_filters
    from pellucid.analysis.patch_overview import patch_overview
    from pellucid.files import names_for, write_whole
    from pellucid.recipes import build_loader, open_model
    from pellucid.recipes.data import without_data
    from pellucid.recipes.predict import inputs, read_image

    run, files = parted(paths)
    machine.use()
    model = open_model(trained(run))
    pictures = [inputs(model, read_image(model, file)[None])[0] for file in files]
    filters = first_filters(model.network)
    gallery: list[Array] = []
    if patches and without_data(model.recipe):
        print_note("no patches: the model came without data")
    elif patches:
        test = data_for(model, None).test
        loader = build_loader(model.recipe, test.subset(range(min(images, len(test)))), training=False)
        gallery = [batch.inputs for batch in loader.epoch(0)]
    found = exciting_patches(model.network, gallery, channels, patches) if gallery else {}
    shown = [image for batch in gallery for image in batch]
    folder = out or model.path.parent / "features"
    if found:
        write_whole(folder / "patches.png", patch_overview(found, shown))
        print_note(str(folder / "patches.png"))
    for file, picture, name in zip(files, pictures, names_for(files), strict=True):
        maps = feature_maps(model.network, picture)
        title = f"{file.name}: what {run} sees in it"
        html = feature_sheet(title, picture, maps, filters, found, shown, model.class_names)
        write_whole(folder / f"{name}.html", html)
        print_note(str(folder / f"{name}.html"))
