"""Boxes in the layout of PASCAL VOC.

    JPEGImages/NAME.jpg             images
    Annotations/NAME.xml            an <object> each: <name>, <bndbox>, perhaps <difficult>; none for an empty image
    ImageSets/Main/train.txt        NAMEs, one a line; val.txt and test.txt likewise, in any usual naming of the
                                    parts, or trainval.txt in place of train and val
    classes.txt                     names of class 0, 1, ..., one a line; where it is missing VOC's twenty, or, where
                                    the objects are none of those, the names that they have

Where there are no lists, all images with annotations are taken: by parts, train/images and train/annotations or both
in train/, or else a fifth is drawn for the test. JPEGImages may be called images then.

VOC counts pixels from 1 and its xmax, ymax lie inside the box; here the box goes from xmin - 1 to xmax.

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", sections 3 and 8.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from pellucid.data.boxes import DIFFICULT, PLAIN
from pellucid.data.dataset import Dataset
from pellucid.data.formats.box_files import (
    FLAGS,
    BoxChecker,
    BoxedFile,
    Outside,
    as_arrays,
    boxed_datasets,
    key_of,
    opened_image,
)
from pellucid.data.formats.voc import VOC_CLASSES, images_by_name, voc_lists
from pellucid.data.framing import Framing
from pellucid.data.held_out import HeldOut
from pellucid.data.parts import Roots, find_roots, folders_in, with_test
from pellucid.data.text_files import class_list as names_in
from pellucid.data.text_files import listed_images
from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.ops.arrays import Pair

FOLDERS = ("JPEGImages", "Annotations", "ImageSets")
_FOLDERS = {"annotations", "annotation", "xml", "xmls", "labels"}
_EDGES = ("xmin", "ymin", "xmax", "ymax")


def is_voc_boxes(folder: Path) -> bool:
    """Whether the folder has VOC's annotations, with lists or images beside them."""
    return bool(_roots(folder))


def read_voc_boxes(
    folder: Path,
    size: Pair | None,
    held_out: HeldOut,
    *,
    outside: Outside = "refuse",
    framing: Framing | None = None,
) -> tuple[dict[str, Dataset], bool]:
    """(the data sets of a VOC folder by part, see `with_test`; whether the test was drawn), targets `Boxes`.

    size: (H, W) of the canvas, framing: a model's own instead; see box_files.boxed_datasets. held_out: how the test
    is drawn where there is none.
    outside: what happens to boxes that don't fit. Raises PellucidError, naming the file and the object, for what is
    missing or wrong.
    """
    checker = BoxChecker(outside)
    entries = _listed(folder) if _lists(folder) is not None else _beside(folder, checker)
    names = class_list(folder)
    if names is None:
        names = _own_names([entry.notes for part in entries.values() for entry in part])
        if names != VOC_CLASSES[1:]:
            checker.notes.append(f"{folder}: no classes.txt, the objects' own names are taken: {', '.join(names)}")
    files = {part: [_file(entry, names, folder, checker) for entry in some] for part, some in entries.items()}
    parts, drawn = with_test(files, lambda file: key_of(file, folder), held_out, folder)
    return dict(zip(parts, boxed_datasets(parts, size, names, folder, checker.notes, framing), strict=True)), drawn


@dataclass(frozen=True)
class _Entry:
    """An image's file, and that of its annotations."""

    image: Path
    notes: Path


def _roots(folder: Path) -> dict[str, Roots]:
    """The folders of images and of annotations by part; both as train where lists say the parts."""
    present = {path.name.lower(): path for path in folders_in(folder)}
    if _lists(folder) is not None and "annotations" in present:
        return {"train": (present.get("jpegimages", folder / "JPEGImages"), present["annotations"])}

    def together(root: Path) -> bool:
        return bool({path.stem for path in _notes(root)} & images_by_name(root).keys())

    return find_roots(folder, _FOLDERS, lambda root: bool(_notes(root)), together)


def _lists(folder: Path) -> Path | None:
    """The folder of the lists of images; None where there is none."""
    main = folder / "ImageSets" / "Main"
    return main if main.is_dir() else None


def _notes(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".xml" and path.is_file())
    return [path for path in files if not path.name.startswith(".")]


def _listed(folder: Path) -> dict[str, list[_Entry]]:
    """What the lists name, by part."""
    images, notes = _roots(folder)["train"]
    known, main = images_by_name(images), _lists(folder)
    assert main is not None
    return {
        part: [
            _Entry(known.get(name, images / f"{name}.jpg"), notes / f"{name}.xml")
            for name in listed_images(path, known.__contains__)
        ]
        for part, path in voc_lists(main).items()
    }


def _beside(folder: Path, checker: BoxChecker) -> dict[str, list[_Entry]]:
    """All images with annotations, by part. Raises PellucidError for annotations without an image."""
    entries: dict[str, list[_Entry]] = {}
    for part, (images, notes) in _roots(folder).items():
        known, files = images_by_name(images), _notes(notes)
        alone = [path for path in files if path.stem not in known]
        if alone:
            raise PellucidError(f"{alone[0]}: annotations without an image, {len(alone)} of {len(files)} are")
        if left := len(known) - len(files):
            checker.notes.append(f"{images}: {left:,} of {len(known):,} images have no annotations and are left out")
        entries[part] = [_Entry(known[path.stem], path) for path in files]
    return entries


def class_list(folder: Path) -> tuple[str, ...] | None:
    """The names in a folder's classes.txt; None where there is no such file."""
    path = folder / "classes.txt"
    if not path.exists():
        return None
    return names_in(path)


def _own_names(notes: Sequence[Path]) -> tuple[str, ...]:
    """The classes of a folder that has no list of them: the objects' own, sorted, unless one of them is VOC's.

    So another data set needs no list, and a slip of the pen in VOC's own makes no class.
    """
    found: set[str] = set()
    for path in notes:
        if not path.is_file():
            continue  # said where it's read
        labels = {(element.findtext("name") or "").strip() for element in _parsed(path).iter("object")}
        if labels & {*VOC_CLASSES}:
            return VOC_CLASSES[1:]
        found |= labels
    return tuple(sorted(found - {""})) or VOC_CLASSES[1:]


def _file(entry: _Entry, names: Sequence[str], folder: Path, checker: BoxChecker) -> BoxedFile:
    """One image with its annotations, all checked."""
    image, path = entry.image, entry.notes
    if not path.is_file():
        raise PellucidError(f"{path}: no such file, expected the annotations of {path.stem}")
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
    text = (element.findtext(name) or "").strip()
    if text.lower() not in FLAGS:
        raise PellucidError(f"{place}: <{name}> is {text!r}, expected 0 or 1")
    return FLAGS[text.lower()]
