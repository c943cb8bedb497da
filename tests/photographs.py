"""Photographs of squares and discs in every relation to a network's size, as folders of each layout."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pellucid.ops.arrays import Array

SIZE = (40, 48)
SIZES = {
    "equal": (40, 48), "smaller": (24, 31), "larger": (83, 97), "long": (33, 100), "tall": (90, 30),
    "tiny": (17, 17), "turned": (60, 40), "grey": (50, 50),
}  # fmt: skip
NAMES = ("square", "disc")


@dataclass(frozen=True)
class Shot:
    """One photograph: upright pixels, the class of each, and one box (x0, y0, x1, y1) with its label."""

    name: str
    pixels: Array
    mask: Array
    box: tuple[int, int, int, int]
    label: int


def shots(seed: int, rounds: int = 1) -> list[Shot]:
    """One photograph of each size a round."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(rounds):
        for name, (H, W) in SIZES.items():
            label, side = int(rng.integers(2)), int(0.5 * min(H, W))
            y, x = int(rng.integers(0, H - side + 1)), int(rng.integers(0, W - side + 1))
            rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
            form = np.ones((side, side), bool) if label == 0 else rows**2 + columns**2 <= side**2 / 4
            mask = np.zeros((H, W), np.uint8)
            mask[y : y + side, x : x + side][form] = 1 + label
            pixels = rng.integers(0, 60, (H, W, 3)).astype(np.uint8)
            pixels[mask > 0] += np.array([[150, 120, 90], [90, 120, 180]], np.uint8)[label]
            if name == "grey":
                pixels = np.repeat(pixels[..., :1], 3, axis=2)
            made.append(Shot(f"{name}{seed}-{number}", pixels, mask, (x, y, x + side, y + side), label))
    return made


def save(shot: Shot, path: Path, grey: bool = False) -> None:
    """The photograph as a PNG: grey where it is, and lying, with a note in EXIF, where it was turned."""
    picture = Image.fromarray(shot.pixels[..., 0] if grey or shot.name.startswith("grey") else shot.pixels)
    if not shot.name.startswith("turned"):
        picture.save(path)
        return
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    picture.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif.tobytes())


def masked_folder(folder: Path, parts: dict[str, list[Shot]], grey: bool = False) -> Path:
    """In VOC's layout, with masks."""
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)
    (folder / "classes.txt").write_text("\n".join(("background", *NAMES)))
    for part, some in parts.items():
        for shot in some:
            save(shot, folder / "JPEGImages" / f"{shot.name}.png", grey)
            Image.fromarray(shot.mask).save(folder / "SegmentationClass" / f"{shot.name}.png")
        listed = folder / "ImageSets" / "Segmentation" / f"{part}.txt"
        listed.write_text("\n".join(shot.name for shot in some))
    return folder


def boxed_folder(folder: Path, parts: dict[str, list[Shot]], grey: bool = False) -> Path:
    """In COCO's layout, with boxes."""
    for name in ("annotations", "images"):
        (folder / name).mkdir(parents=True)
    for part, some in parts.items():
        images, annotations = [], []
        for number, shot in enumerate(some, 1):
            save(shot, folder / "images" / f"{shot.name}.png", grey)
            x0, y0, x1, y1 = shot.box
            images.append({"id": number, "file_name": f"{shot.name}.png"})
            bbox = [x0, y0, x1 - x0, y1 - y0]
            annotations.append({"id": number, "image_id": number, "category_id": 3 + 4 * shot.label, "bbox": bbox})
        categories = [{"id": 3 + 4 * label, "name": name} for label, name in enumerate(NAMES)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations" / f"{part}.json").write_text(json.dumps(content))
    return folder


def class_folder(folder: Path, parts: dict[str, list[Shot]], grey: bool = False) -> Path:
    """A folder a class below one a part."""
    for part, some in parts.items():
        for shot in some:
            place = folder / part / NAMES[shot.label]
            place.mkdir(parents=True, exist_ok=True)
            save(shot, place / f"{shot.name}.png", grey)
    return folder
