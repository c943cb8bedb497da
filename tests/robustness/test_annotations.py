"""Annotations, lists and IDX files that no program writes, and somebody may send."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from box_folders import coco_folder, voc_folder
from pellucid.data import read_idx
from pellucid.data.boxed import load_boxed
from pellucid.errors import PellucidError

XML = "<annotation><object><name>cat</name><bndbox>{}</bndbox></object></annotation>"
BOX = "<xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax>"
ENTITIES = '<!DOCTYPE a [<!ENTITY a0 "lol">' + "".join(
    f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)
)  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        *(f'<?xml version="1.0" encoding="{name}"?>{XML.format(BOX)}'.encode() for name in
          ("utf-16", "utf-32", "cp037", "base64", "rot13", "nobody", "shift_jis", "utf-7", "undefined", "")),
        XML.format(BOX).encode("utf-32"), b"\xff" + XML.encode(), b"", b"\0" * 100,
        b"<object>" * 100_000, (ENTITIES + "]>" + XML.replace("cat", "&a9;").format(BOX)).encode(),
        *(XML.format(BOX.replace(">9<", f">{text}<")).encode() for text in
          ("9" * 5000, "nan", "inf", "1e400", "", "1,5", "0x9", "9 9")),
    ],
    ids=lambda content: content[:30].decode("latin-1").replace("\0", " "),
)  # fmt: skip
def test_xml_in_other_encodings_and_with_other_numbers(tmp_path: Path, content: bytes) -> None:
    folder = voc_folder(tmp_path / "voc")
    (folder / "Annotations/000001.xml").write_bytes(content)
    try:
        load_boxed(folder)
    except PellucidError as error:
        assert "000001.xml" in str(error) and str(error).isprintable()
    else:
        assert b"encoding" in content  # which XML may have, and which says the same


def test_deep_xml_is_no_crash(tmp_path: Path) -> None:
    folder = voc_folder(tmp_path / "voc")
    content = "<a>" * 200_000 + XML.format(BOX) + "</a>" * 200_000
    (folder / "Annotations/000001.xml").write_text(content)
    assert len(load_boxed(folder).train) == 3


def entry(section: str, key: str, value: str) -> Callable[[dict[str, Any]], str]:
    """The document with that value, which is JSON's text, in the first entry."""

    def text(document: dict[str, Any]) -> str:
        document[section][0][key] = "@"
        return json.dumps(document).replace('"@"', value)

    return text


@pytest.mark.parametrize(
    "change",
    [
        entry("images", "id", "9" * 5000), entry("annotations", "image_id", "9" * 5000),
        entry("images", "id", "9" * 4000),
        entry("annotations", "bbox", "[" + ",".join(["9" * 400] * 4) + "]"),
        entry("annotations", "bbox", "[1,1,1e400,1]"),
        entry("annotations", "bbox", "[NaN,1,1,1]"), entry("annotations", "bbox", "[1,1,Infinity,1]"),
        entry("annotations", "bbox", "[" * 5000), entry("annotations", "category_id", "[]"),
        entry("images", "file_name", '"\\ud800"'), entry("images", "file_name", '"\\u0000"'),
        entry("images", "file_name", '"' + "a" * 100_000 + '"'), entry("images", "id", "{}"),
        entry("categories", "name", "7"), entry("categories", "name", '"a\\nb\\u001b[31m"'),
        lambda document: "[" * 200_000, lambda document: '{"a":' * 100_000, lambda document: "7", lambda document: "",
    ],
    ids=range(19),
)  # fmt: skip
def test_numbers_names_and_nesting_of_json(tmp_path: Path, change: Callable[[dict[str, Any]], str]) -> None:
    folder = coco_folder(tmp_path / "coco")
    path = folder / "annotations/instances_train2017.json"
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(PellucidError) as caught:
        load_boxed(folder)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["a" * 300, "a" * 100_000, "a\0b", "\x1b[31m"])
def test_names_that_no_file_has(tmp_path: Path, name: str) -> None:
    folder = voc_folder(tmp_path / "voc")
    (folder / "ImageSets/Main/train.txt").write_text(name + "\n")
    with pytest.raises(PellucidError, match=r"train\.txt: expected names of images"):
        load_boxed(folder)


def test_lengths_that_no_memory_holds(tmp_path: Path) -> None:
    head = bytes([0, 0, 0x0E, 3]) + b"\0\0\xff\xff" * 3
    for path, content in ((tmp_path / "x", head), (tmp_path / "x.gz", gzip.compress(head + bytes(1 << 20)))):
        path.write_bytes(content)
        with pytest.raises(PellucidError, match="truncated"):
            read_idx(path)
