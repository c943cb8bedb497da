"""`pellucid receptive-field`: what a layer's middle unit sees, and what of it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count, switch
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_json, print_note
from pellucid.cli.subject import LAST, RUN_HELP, data_for, trained


def receptive_field(
    run: Annotated[str, Parameter(help=RUN_HELP)] = LAST,
    /,
    *,
    layer: Annotated[str, Parameter(help="Name of the layer, as pellucid summary lists it.")],
    image: Annotated[Path | None, Parameter(help="PNG or JPEG to draw on; by default the first test image.")] = None,
    images: Annotated[Count, Parameter(help="Test images that the gradient is averaged over.")] = 200,
    out: Annotated[Path | None, Parameter(help="PNG to write; by default one in the run folder.")] = None,
    json: Annotated[bool, switch("Print JSON.")] = False,
    machine: Machine = DEFAULT,
) -> None:
    """Draw the theoretical receptive field of a layer's middle unit, and the effective one: the pixels whose
    gradient is more than 4.55 % of the largest (Luo et al. 2016)."""
    from pellucid.analysis.effective_field import draw_field, effective_field
    from pellucid.analysis.receptive_field import find_view
    from pellucid.files import write_picture
    from pellucid.recipes import build_loader, open_model
    from pellucid.recipes.predict import inputs, read_at_size

    machine.use()
    model = open_model(trained(run))
    find_view(model.network.nodes, model.network.input_shape, layer)
    given = inputs(model, read_at_size(model, image)[None]) if image else None
    test = data_for(model, None).test
    loader = build_loader(model.recipe, test.subset(range(min(images, len(test)))), training=False)
    batches = [batch.inputs for batch in loader.epoch(0)]
    found = effective_field(model.network, layer, batches)
    path = out or model.path.parent / f"receptive-field-{layer}.png"
    write_picture(path, draw_field(found, batches[0][0] if given is None else given[0]), "receptive-field")
    areas = {
        "theoretical_area": found.theoretical_area,
        "effective_area": found.effective_area,
        "ratio": found.ratio,
    }
    if json:
        print_json({"layer": layer, "unit": found.unit, "images": found.images, **areas, "picture": str(path)})
        return
    print_note(
        f"layer {layer}, unit {found.unit}: sees {found.theoretical_area} pixels, of which {found.effective_area} "
        f"count: {100 * found.ratio:.1f} % (mean over {found.images} images)"
    )
    print_note(str(path))
