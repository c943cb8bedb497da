"""`pellucid import-torch`: weights that were trained with PyTorch, as a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count, OfChannels
from pellucid.cli.output import print_note


def import_torch(
    file: Annotated[Path, Parameter(help="A state dict, .pth or .pt, or safetensors.")],
    /,
    *,
    network: Annotated[str, Parameter(help="The network of the zoo whose weights they are.")],
    name: Annotated[str, Parameter(help="The run is runs/NAME.")],
    size: Annotated[Count, Parameter(help="Height and width of the images that it is used to.")] = 224,
    mean: OfChannels = (),
    std: OfChannels = (),
    classes: Annotated[Path | None, Parameter(help="A text file with the name of a class a line.")] = None,
) -> None:
    """Make a run folder of weights trained with PyTorch, to be asked, looked into, made smaller and trained on.

    The file's names are matched with the network's by the order of the layers and their shapes, and printed. Only
    tensors, numbers and text are taken out of it; a file that asks for anything else is refused.
    """
    from pellucid.documents import utf8
    from pellucid.files import read_whole
    from pellucid.recipes.imported import import_torch_run

    text = utf8(read_whole(classes), str(classes), "text") if classes else ""
    run, names = import_torch_run(
        file,
        network,
        name,
        size=(size, size),
        mean=mean,
        std=std,
        class_names=[line.strip() for line in text.splitlines() if line.strip()],
    )
    width = max(map(len, names))
    for own, their in names.items():
        print(f"{own:<{width}}  {their}")
    print_note(f"{file.name} is in {run.path}\ntry: pellucid predict {run.path} IMAGE")
