"""`pellucid sample`: pictures to try other commands on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from pellucid.cli.flags import Count
from pellucid.cli.output import print_note
from pellucid.errors import PellucidError
from pellucid.files import write_whole
from pellucid.ops.arrays import Array

SEED = 1  # of the scenes: none that the recipes train with or are measured on


def sample(
    *kinds: Annotated[Literal["digit", "scene"], Parameter(help="What to write; by default a digit.")],
    count: Annotated[Count, Parameter(help="Pictures of each.")] = 1,
    form: Annotated[Literal["png", "pgm"], Parameter(help="pgm is what the exported C's demo reads.")] = "png",
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="Folder for them.")] = Path(),
) -> None:
    """Write some pictures to try other commands on: MNIST's test digits, or scenes made of them.

    Files that are there already stay as they are; where one has the name of a picture, nothing is written.
    """
    from PIL import Image

    from pellucid.data.formats.mnist import mnist_dataset
    from pellucid.data.scenes.scenes import make_scenes
    from pellucid.data.scenes.settings import scene_settings

    test = mnist_dataset(train=False)
    pictures: dict[Path, Array] = {}
    for kind in dict.fromkeys(kinds or ("digit",)):
        if kind == "digit":
            images = np.asarray(test.inputs)[:count]
        else:
            images = make_scenes(scene_settings(), test, count, SEED).images
        for number, image in enumerate(images):
            name = f"{kind}.{form}" if count == 1 else f"{kind}-{number:03}.{form}"
            pictures[out / name] = np.ascontiguousarray(image[0])
    for path in pictures:
        if path.exists():
            raise PellucidError(f"{path} exists: expected a folder without it")
    for path, pixels in pictures.items():
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PPM" if form == "pgm" else "PNG")
        write_whole(path, content.getvalue())
        print_note(str(path))
