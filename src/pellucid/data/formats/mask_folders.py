"""Segmentation data as most people have them: images in one folder, masks in another, of the same names.

    train/images/NAME.jpg, train/masks/NAME.png      likewise val/ and test/, in any usual naming of the parts;
    images/train/NAME.jpg, masks/train/NAME.png      or the folders the other way round,
    train/NAME.png, trainannot/NAME.png              or those of a part beside each other;
    images/NAME.jpg, masks/NAME.png                  or without parts: then a fifth is drawn for the test
    classes.txt                                      names of class 0, 1, ..., one a line; where it is missing,
                                                     those of colours.txt, else background and object
    colours.txt                                      of masks in colour: see data.mask_files

A class called unlabelled, void or ignored is none: its pixels count nowhere. Masks are PNG, BMP or TIFF files, called
as their image, or with _mask, _label or the like behind that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pellucid.data.dataset import Dataset
from pellucid.data.formats.voc import Files, mask_datasets
from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.data.layouts import BESIDE_THEM
from pellucid.data.mask_files import COLOURS, IGNORED, IGNORED_NAMES, LOSSY, MaskRule, coloured_classes, read_colours
from pellucid.data.parts import Roots, find_roots, folders_in, with_test
from pellucid.data.pictures import SUFFIXES
from pellucid.data.text_files import class_list
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Pair

DEFAULT_NAMES = ("background", "object")
_ENDINGS = ("mask", "masks", "label", "labels", "L", "gt", "seg", "segmentation", "annotation")


def is_mask_folders(folder: Path) -> bool:
    """Whether images and masks lie beside each other in the folder, or in its folder of training images."""
    return bool(_roots(folder))


def mask_roots(folder: Path) -> list[Path]:
    """The folders of masks; none where there are no such folders."""
    return [masks for _, masks in _roots(folder).values()]


def read_mask_folders(
    folder: Path, size: Pair | None, held_out: HeldOut, framing: Framing | None = None
) -> tuple[dict[str, Dataset], bool]:
    """(the data sets by part, see `with_test`; whether the test was drawn) of a folder of images and masks.

    size: (H, W) of the canvas, by default one on which all fit. framing: a model's own, instead.

    Targets are masks (N, H, W) uint8. Raises
    PellucidError, naming the file, for an image without a mask, a mask without an image, one of another size, and a
    value that is no class.
    """
    path, coloured = folder / "classes.txt", coloured_classes(folder)
    if path.is_file():
        written = class_list(path)
    elif coloured and set(coloured) != set(DEFAULT_NAMES):
        path, written = folder / COLOURS, coloured
    else:
        written = DEFAULT_NAMES
    void = [k for k, name in enumerate(written) if name.lower() in IGNORED_NAMES]
    names = tuple(name for k, name in enumerate(written) if k not in void)
    if not 2 <= len(names) < IGNORED:
        raise PellucidError(f"{path}: expected 2 to {IGNORED - 1} different class names, got {len(names)}")
    rule = MaskRule(read_colours(folder, names), lookup=_lookup(len(written), void))
    listed, drawn = with_test(
        {part: _pairs(*roots) for part, roots in _roots(folder).items()},
        lambda pair: pair[0].relative_to(folder).as_posix(),
        held_out,
        folder,
    )
    notes = [f"value {k} of the masks, {written[k]}, counts nowhere" for k in void]
    try:
        found = dict(zip(listed, mask_datasets(folder, listed, names, rule, size, framing), strict=True))
    except PellucidError as error:
        hint = "" if path.is_file() else f"; {path} would name the classes"
        raise PellucidError(f"{error}{hint}") from None
    found["train"] = replace(found["train"], notes=(*notes, *found["train"].notes))
    return found, drawn


def _lookup(count: int, void: list[int]) -> tuple[int, ...]:
    """The class of value 0, 1, ... of a mask, where some names stand for no class; else nothing."""
    if not void:
        return ()
    kept = iter(range(count))
    return tuple(IGNORED if k in void else next(kept) for k in range(count))


def _roots(folder: Path) -> dict[str, Roots]:
    """The folders of images and of masks by part; none for VOC's, which has lists."""
    if any(path.name.lower() == "imagesets" for path in folders_in(folder)):
        return {}
    return find_roots(
        folder, BESIDE_THEM, lambda root: any(path.suffix.lower() in SUFFIXES for path in root.iterdir())
    )


def _pairs(images: Path, masks: Path) -> list[Files]:
    """The images and masks of one part."""
    found, left = _by_stem(images), _by_stem(masks)
    pairs = []
    for stem, image in found.items():
        mask = next((left.pop(name) for name in _mask_names(image) if name in left), None)
        if mask is None:
            others = next((f"; there is {path.name}" for path in left.values()), "")
            raise PellucidError(f"{masks / stem}.png: no such mask, expected one for {image.name}{others}")
        if mask.suffix.lower() in LOSSY:
            raise PellucidError(f"{mask}: JPEG and WebP change values; expected masks as PNG, BMP or TIFF")
        pairs.append((image, mask))
    if left:
        first = next(iter(left.values()))
        raise PellucidError(f"{first}: a mask without an image, {len(left)} of {len(pairs) + len(left)} are")
    if not pairs:
        raise PellucidError(f"{images}: no images")
    return pairs


def _mask_names(image: Path) -> Iterator[str]:
    """What the mask of an image may be called, without its ending."""
    yield from (image.stem, image.name)
    yield from (image.stem + between + end for between in "_-" for end in _ENDINGS)
    yield from (f"{end}{between}{image.stem}" for between in "_-" for end in _ENDINGS)


def _by_stem(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by name without ending. Raises PellucidError where two have the same."""
    found: dict[str, Path] = {}
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    for path in (path for path in files if not path.name.startswith(".")):
        if found.setdefault(path.stem, path) != path:
            raise PellucidError(f"{path}: called as {found[path.stem].name} but for its ending, expected one")
    return found
