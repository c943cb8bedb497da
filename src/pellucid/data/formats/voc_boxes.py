"""Boxes in the layout of PASCAL VOC.

    JPEGImages/NAME.jpg             images
    Annotations/NAME.xml            an <object> each: <name>, <bndbox>, perhaps <difficult>; none for an empty image
    ImageSets/Main/train.txt        NAMEs, one a line; val.txt likewise, and test.txt where there is one
    classes.txt                     names of class 0, 1, ..., one a line; where it is missing VOC's twenty, or, where
                                    the objects are none of those, the names that they have

VOC counts pixels from 1 and its xmax, ymax lie inside the box; here the box goes from xmin - 1 to xmax.

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", sections 3 and 8.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from pellucid.data.boxes import DIFFICULT, PLAIN
from pellucid.data.dataset import Dataset
from pellucid.data.formats.box_files import BoxChecker, BoxedFile, Outside, as_arrays, boxed_datasets, opened_image
from pellucid.data.formats.voc import VOC_CLASSES, images_by_name
from pellucid.data.text_files import class_list as names_in
from pellucid.data.text_files import listed_images
from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.ops.arrays import Pair

FOLDERS = ("JPEGImages", "Annotations", "ImageSets")
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def is_voc_boxes(folder: Path) -> bool:
    """Whether the folder has VOC's annotations and lists."""
    return (folder / "Annotations").is_dir() and (folder / "ImageSets" / "Main").is_dir()


def read_voc_boxes(
    folder: Path, size: Pair | None = None, *, outside: Outside = "refuse", parts: Sequence[str] | None = None
) -> dict[str, Dataset]:
    """The data sets of a VOC folder's lists by name, targets `Boxes`. parts: train, val, and test where it is, by
    default.

    size: (H, W) of the canvas; see box_files.boxed_datasets. outside: what happens to boxes that don't fit.
    Raises PellucidError, naming the file and the object, for what is missing or wrong.
    """
    checker = BoxChecker(outside)
    if parts is None:
        own_test = (folder / "ImageSets" / "Main" / "test.txt").exists()
        parts = ("train", "val", "test") if own_test else ("train", "val")
    images = images_by_name(folder)
    lists = {part: _listed(folder, part, images) for part in parts}
    names = class_list(folder)
    if names is None:
        names = _own_names(folder, [name for found in lists.values() for name in found])
        if names != VOC_CLASSES[1:]:
            checker.notes.append(f"{folder}: no classes.txt, the objects' own names are taken: {', '.join(names)}")
    listed = {part: [_file(folder, name, images, names, checker) for name in found] for part, found in lists.items()}
    datasets = boxed_datasets(listed, size, names, folder, checker.notes)
    return dict(zip(parts, datasets, strict=True))


def class_list(folder: Path) -> tuple[str, ...] | None:
    """The names in a folder's classes.txt; None where there is no such file."""
    path = folder / "classes.txt"
    if not path.exists():
        return None
    return names_in(path)


def _own_names(folder: Path, listed: Sequence[str]) -> tuple[str, ...]:
    """The classes of a folder that has no list of them: the objects' own, sorted, unless one of them is VOC's.

    So another data set needs no list, and a slip of the pen in VOC's own makes no class.
    """
    found: set[str] = set()
    for name in listed:
        path = folder / "Annotations" / f"{name}.xml"
        if not path.is_file():
            continue  # said where it's read
        labels = {(element.findtext("name") or "").strip() for element in _parsed(path).iter("object")}
        if labels & {*VOC_CLASSES}:
            return VOC_CLASSES[1:]
        found |= labels
    return tuple(sorted(found - {""})) or VOC_CLASSES[1:]


def _listed(folder: Path, part: str, images: Mapping[str, Path]) -> list[str]:
    return listed_images(folder / "ImageSets" / "Main" / f"{part}.txt", images.__contains__)


def _file(
    folder: Path, name: str, images: Mapping[str, Path], names: Sequence[str], checker: BoxChecker
) -> BoxedFile:
    """One image with its annotations, all checked."""
    path = folder / "Annotations" / f"{name}.xml"
    image = images.get(name, folder / "JPEGImages" / f"{name}.jpg")
    if not path.is_file():
        raise PellucidError(f"{path}: no such file, expected the annotations of {name}")
    size, colour = opened_image(image, str(path))
    root = _parsed(path)
    checker.compare(size, [root.findtext(f"size/{side}") for side in ("height", "width")], str(path))
    found = []
    for number, element in enumerate(root.iter("object"), 1):
        place = f"{path}: object {number}"
        label = (element.findtext("name") or "").strip()
        if label not in names:
            hint = "" if (folder / "classes.txt").is_file() else f"; {folder / 'classes.txt'} would name others"
            raise PellucidError(f"{place}: unknown class {label!r}, expected one of {', '.join(names)}{hint}")
        box = checker.check(_box(element, f"{place} ({label})"), size, f"{place} ({label})")
        if box is not None:
            kind = DIFFICULT if _flag(element, "difficult", place) else PLAIN
            found.append((box, names.index(label), kind))
    return BoxedFile(image, size, colour, *as_arrays(found))


def _parsed(path: Path) -> ElementTree.Element:
    """The root of a file of annotations. Raises PellucidError for anything but XML in one of its own encodings."""
    try:
        return ElementTree.fromstring(read_whole(path))
    except ElementTree.ParseError as error:
        line, column = error.position
        reason = str(error).partition(":")[0]
        raise PellucidError(f"{path}:{line}:{column + 1}: not XML ({reason})") from None
    except (LookupError, ValueError, RecursionError, MemoryError) as error:
        raise PellucidError(f"{path}: not XML as it is read here ({error})") from None


def _box(element: ElementTree.Element, place: str) -> list[float]:
    texts = [element.findtext(f"bndbox/{edge}") for edge in _EDGES]
    edges = []
    for edge, text in zip(_EDGES, texts, strict=True):
        try:
            edges.append(float(text or ""))
        except ValueError:
            given = "none" if text is None else repr(text.strip())
            raise PellucidError(f"{place}: expected a number for <{edge}> in <bndbox>, got {given}") from None
    return [edges[0] - 1, edges[1] - 1, edges[2], edges[3]]


def _flag(element: ElementTree.Element, name: str, place: str) -> bool:
    text = (element.findtext(name) or "0").strip()
    if text not in {"0", "1"}:
        raise PellucidError(f"{place}: <{name}> is {text!r}, expected 0 or 1")
    return text == "1"
