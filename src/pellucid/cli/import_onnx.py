"""`pellucid import-onnx`: a network from an ONNX file, as a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count, OfChannels
from pellucid.cli.output import print_note


def import_onnx(
    file: Annotated[Path, Parameter(help="A model of opset 7 or later.")],
    /,
    *,
    name: Annotated[str, Parameter(help="The run is runs/NAME.")],
    size: Annotated[
        Count | None, Parameter(help="Height and width of its images, where the file leaves them open.")
    ] = None,
    mean: OfChannels = (),
    std: OfChannels = (),
    classes: Annotated[Path | None, Parameter(help="A text file with the name of a class a line.")] = None,
) -> None:
    """Make a run folder of an ONNX file: a graph of layers, to be asked, looked into, made smaller and trained on.

    Names of classes, mean and deviation are the file's own where it has them as metadata. What has no form here is
    told at once: operator, node, opset. Nothing in a file is run, and no file outside its folder is read.
    """
    from pellucid.documents import utf8
    from pellucid.files import read_whole
    from pellucid.recipes.imported import import_onnx_run

    text = utf8(read_whole(classes), str(classes), "text") if classes else ""
    run, model = import_onnx_run(
        file,
        name,
        size=None if size is None else (size, size),
        mean=mean,
        std=std,
        class_names=[line.strip() for line in text.splitlines() if line.strip()],
    )
    network = model.network
    shape = "x".join(map(str, model.image_shape))
    print_note(
        f"{file.name}: {len(network.nodes)} layers, {network.vector.size:,} parameters, for images of {shape}, "
        f"{len(model.class_names):,} classes\nin {run.path}\ntry: pellucid predict {run.path} IMAGE"
    )
