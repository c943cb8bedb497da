"""Small folders of images with boxes, as VOC and COCO lay them out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

XML = "<annotation><size><width>{w}</width><height>{h}</height></size>{objects}</annotation>"
OBJECT = (
    "<object><name>{0}</name><difficult>{5}</difficult><bndbox><xmin>{1}</xmin><ymin>{2}</ymin>"
    "<xmax>{3}</xmax><ymax>{4}</ymax></bndbox></object>"
)
ON_IMAGES: dict[str, list[tuple[str, int, int, int, int, int]]] = {
    "000001": [("cat", 1, 1, 30, 20, 0), ("dog", 5, 6, 12, 17, 1)],
    "000002": [],
    "000003": [("dog", 3, 3, 18, 28, 0)],
    "000004": [("cat", 11, 11, 20, 20, 0)],
}
SIZES = {"000001": (20, 30), "000002": (24, 24), "000003": (30, 20), "000004": (48, 64)}


def voc_folder(folder: Path, grey: bool = False) -> Path:
    """Four images with dogs and cats on three of them, one difficult; the third is for validation."""
    rng = np.random.default_rng(6)
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for name, objects in ON_IMAGES.items():
        H, W = SIZES[name]
        pixels = rng.integers(0, 256, (H, W) if grey else (H, W, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "JPEGImages" / f"{name}.png")
        text = XML.format(w=W, h=H, objects="".join(OBJECT.format(*entry) for entry in objects))
        (folder / "Annotations" / f"{name}.xml").write_text(text)
    (folder / "ImageSets/Main/train.txt").write_text("000001\n000002\n000004\n")
    (folder / "ImageSets/Main/val.txt").write_text("000003 1\n")
    (folder / "classes.txt").write_text("dog\ncat\n")
    return folder


def coco_folder(folder: Path) -> Path:
    """The same images, but the difficult dog is a crowd."""
    voc_folder(folder / "voc")
    (folder / "annotations").mkdir()
    for part, names in (("train2017", ("000001", "000002", "000004")), ("val2017", ("000003",))):
        (folder / part).mkdir()
        content: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
        content["categories"] = [{"id": 7, "name": "dog"}, {"id": 9, "name": "cat"}]
        for name in names:
            (folder / "voc/JPEGImages" / f"{name}.png").rename(folder / part / f"{name}.png")
            H, W = SIZES[name]
            content["images"].append({"id": int(name), "file_name": f"{name}.png", "height": H, "width": W})
            for label, x0, y0, x1, y1, difficult in ON_IMAGES[name]:
                entry: dict[str, Any] = {
                    "id": len(content["annotations"]),
                    "image_id": int(name),
                    "iscrowd": difficult,
                }
                entry["category_id"] = {"dog": 7, "cat": 9}[label]
                entry["bbox"] = [x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1]
                content["annotations"].append(entry)
        (folder / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))
    return folder
