"""`pellucid page`: a trained network, alive in one web page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pellucid.cli.flags import Whole
from pellucid.cli.machine import DEFAULT, Machine
from pellucid.cli.output import print_note, working
from pellucid.cli.subject import LAST, data_for, trained


def page(
    run: Annotated[
        Path, Parameter(help="A run folder, a model's file, or an integer network's, which shrink writes.")
    ] = Path(LAST),
    /,
    *,
    out: Annotated[
        Path | None,
        Parameter(
            name=["--out", "-o"],
            help="File to write; by default page.html in the run, int8.html for int8.safetensors.",
        ),
    ] = None,
    bits: Annotated[
        Literal[32, 16, 8] | None,
        Parameter(help="Of each weight that the page carries, 16 unless told; an integer network has its own."),
    ] = None,
    images: Annotated[Whole, Parameter(help="Test images that come along, the most confused first.")] = 40,
    data: Annotated[str | None, Parameter(help="Other data of the same classes.")] = None,
    machine: Machine = DEFAULT,
) -> None:
    """Write one HTML file with the network's weights, an engine that runs it, and what shows every layer at work.

    It opens by double click, without a server or a network: draw or drop a picture, see every layer's feature maps,
    and click a unit to see the numbers that it is made of.
    """
    from pellucid.plan import IntegerNetwork
    from pellucid.recipes.data import without_data
    from pellucid.recipes.page import write_page
    from pellucid.recipes.shrink import open_any

    machine.use()
    model = open_any(trained(run))
    network, name, weights = model.network, "page", f"weights of {bits or 16}"
    if isinstance(network, IntegerNetwork):
        name, weights = model.path.stem, f"integers, weights of {network.bits}"
    target = out or model.path.with_name(f"{name}.html")
    with working("measuring the test images"):
        own = data is None and (images == 0 or without_data(model.recipe))
        size = write_page(model, target, bits=bits, images=images, data=None if own else data_for(model, data))
    print_note(f"{target}: {size / 1e6:.2f} MB, {weights} bits; open it with a browser")
