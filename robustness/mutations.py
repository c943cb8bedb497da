"""One change of a file: of its bytes, or of what they mean."""

from __future__ import annotations

import gzip
import io
import json
import pickletools
import re
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from robustness import odd
from robustness.onnx_files import onnx_changed

Mutation = Callable[[bytes, Random], bytes]

BY_BYTES = 0.35  # of the changes; the others know the format


def mutated(name: str, content: bytes, draw: Random) -> bytes:
    """The content with one change, seldom with several. name: of the file, whose ending tells the format."""
    change = next((known for ending, known in FORMATS.items() if name.endswith(ending)), bytes_changed)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        chosen = bytes_changed if draw.random() < BY_BYTES else change
        try:
            content = chosen(content, draw)
        except (
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
            OSError,
            EOFError,
            struct.error,
            zlib.error,
            RecursionError,
        ):
            content = bytes_changed(content, draw)  # no longer of its format
    return content


def bytes_changed(content: bytes, draw: Random) -> bytes:
    """Cut, flipped, doubled, overwritten, moved, or in another encoding."""
    size = len(content)
    start, length = draw.randrange(size + 1), draw.choice([1, 1, 2, 4, 8, 64, size // 2 + 1])
    end = min(size, start + length)
    kind = draw.randrange(11)
    if kind == 0:
        return content[:start]
    if kind == 1:
        return content[:start] + content[end:]
    if kind == 2:
        return content[:end] + content[start:end] * draw.choice([1, 1, 50]) + content[end:]
    if kind == 3:
        return content[:start] + draw.choice([b"\0", b"\xff", b"\x80", b" "]) * (end - start) + content[end:]
    if kind == 4:
        return content[:start] + draw.randbytes(end - start) + content[end:]
    if kind == 5:
        number = draw.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, 255])
        return content[:start] + struct.pack(draw.choice("<>") + "I", number) + content[start + 4 :]
    if kind == 6:
        other = draw.randrange(size + 1)
        return content[:start] + content[other : other + length] + content[start:]
    if kind == 7:
        return content + draw.choice([content, b"\0", b"\n", draw.randbytes(20)])
    if kind == 8:
        return draw.choice([b"", b"\xef\xbb\xbf" + content, b"\0" + content, content[start:], content[:1]])
    if kind == 9 and content.isascii():
        return content.decode().encode(draw.choice(["utf-16", "utf-32", "utf-8-sig", "utf-16-le"]))
    at = draw.randrange(max(1, size))
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)] if size else b"") + content[at + 1 :]


def json_changed(content: bytes, draw: Random) -> bytes:
    """One value by an odd one, or one entry left out, doubled, renamed."""
    value = json.loads(content)
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        found = waiting.pop()
        keys = list(found) if isinstance(found, dict) else range(len(found)) if isinstance(found, list) else []
        places += [(found, key) for key in keys]
        waiting += [found[key] for key in keys]
    if not places:
        return draw.choice(odd.JSON).encode()
    inside, key = draw.choice(places)
    kind, mark = draw.randrange(8), "@odd@"
    if kind == 0:
        del inside[key]
    elif kind == 1 and isinstance(inside, list):
        inside.append(inside[key])
    elif kind == 2 and isinstance(inside, dict):
        inside[draw.choice([*odd.NAMES, "id", "step", "loss", "shape"])] = inside.pop(key)
    elif kind == 3:
        other, place = draw.choice(places)
        inside[key] = other.get(place) if isinstance(other, dict) else other[place : place + 1]
    else:
        inside[key] = mark
    return json.dumps(value, default=str).encode().replace(f'"{mark}"'.encode(), draw.choice(odd.JSON).encode())


def lines_changed(content: bytes, draw: Random, change: Mutation) -> bytes:
    """One line of a text changed, left out, doubled, moved, joined with the next."""
    lines = content.split(b"\n")
    at, kind = draw.randrange(len(lines)), draw.randrange(10)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines[at : at + 1] = [lines[at]] * draw.choice([2, 2, 1000])
    elif kind == 2:
        lines.insert(draw.randrange(len(lines)), lines.pop(at))
    elif kind == 3:
        lines[at : at + 2] = [b"".join(lines[at : at + 2])]
    elif kind == 4:
        lines.insert(at, draw.choice([b"", b" ", b"\t", b"\r", b"\xff", b"\0"]))
    else:
        lines[at] = change(lines[at], draw)
    return b"\n".join(lines)


def json_lines_changed(content: bytes, draw: Random) -> bytes:
    """One line of a history."""
    return lines_changed(content, draw, json_changed)


def text_changed(content: bytes, draw: Random) -> bytes:
    """One line of names."""

    def name(line: bytes, draw: Random) -> bytes:
        text = draw.choice(odd.NAMES + odd.NUMBERS)
        return draw.choice([text.encode(), line + b" " + text.encode(), text.encode("latin-1", "ignore"), line * 2])

    return lines_changed(content, draw, name)


def toml_changed(content: bytes, draw: Random) -> bytes:
    """A value by an odd one, a key by another, or a line that goes or comes."""

    def entry(line: bytes, draw: Random) -> bytes:
        key, equals, value = line.partition(b"=")
        text = draw.choice(odd.TOML).encode("utf-8", "surrogatepass")
        if not equals:
            return draw.choice(
                [line.upper(), b"[[" + line + b"]]", b"[a." + line[1:], line + b"\n" + line, b"[network]"]
            )
        dots = b".".join([b"a"] * draw.choice([3, 60, 3000]))
        other = draw.choice(
            [b"name", b"rate", b"size", b"widths", b"''", b"seed", dots, key.strip() + b".x", b"\xff"]
        )
        return draw.choice([key + b"= " + text] * 6 + [other + b" = " + value, line + b"\n" + other + b" = " + text])

    return lines_changed(content, draw, entry)


SETTINGS = [
    "name", "description", "network", "network.name", "network.dropout", "network.widths", "network.width",
    "network.channels", "network.kernels", "network.backbone", "network.backbone_size", "network.growth",
    "network.norm",
    "task", "task.name", "task.label_smoothing", "task.class_weights", "task.ignore_label", "task.stride",
    "task.alpha",
    "data", "data.source", "data.size", "data.scenes", "data.scenes.train", "data.scenes.size", "data.scenes.preset",
    "data.scenes.noise", "data.validation", "data.seed", "data.mean", "data.std", "data.boxes", "augmentation",
    "augmentation.shift", "augmentation.rotate", "augmentation.scale", "augmentation.shear", "augmentation.erase",
    "crop.size", "crop.scale", "crop.flip", "crop.visible", "optimizer", "optimizer.name", "optimizer.rate",
    "optimizer.weight_decay", "optimizer.beta1", "optimizer.epsilon", "optimizer.momentum", "schedule",
    "schedule.name",
    "schedule.warmup", "schedule.peak", "schedule.every", "schedule.factor", "schedule.final", "training",
    "training.epochs", "training.batch_size", "training.seed", "training.evaluate_samples", "training.clip",
    "training.ema", "training.checkpoint_seconds", "training.log_every", "training.start_from", "training.precision",
    "training.weight_bits", "", ".", "a.b.c", "network.", ".name", "name.x", "network.name.x",
]  # fmt: skip


def setting_changed(content: bytes, draw: Random) -> bytes:
    """Another key, or an odd value, of a line "network: key=value"."""
    network, _, setting = content.decode().partition(": ")
    key, _, value = setting.partition("=")
    kind = draw.randrange(4)
    if kind:
        key, value = draw.choice(SETTINGS), draw.choice(odd.TOML + odd.NAMES)
    if kind == 2:
        network = draw.choice(
            ["convnet", "plain-convnet", "tiny-digits", "unet", "fcn8", "resnet18", "detector-small"]
        )
    return f"{network}: {key}={value}".encode("utf-8", "surrogatepass")


def xml_changed(content: bytes, draw: Random) -> bytes:
    """A text or a tag by an odd one, elements nested or doubled, entities, encodings."""
    text = content.decode()
    kind = draw.randrange(8)
    spots = list(re.finditer(r">([^<>]+)<", text))
    tags = list(re.finditer(r"</?(\w+)>", text))
    if kind <= 2 and spots:
        spot = draw.choice(spots)
        text = text[: spot.start(1)] + draw.choice(odd.TEXT) + text[spot.end(1) :]
    elif kind == 3 and tags:
        tag = draw.choice(tags)
        text = text[: tag.start(1)] + draw.choice(["object", "name", "x", "bndbox", "é"]) + text[tag.end(1) :]
    elif kind == 4:
        depth, nested = draw.choice([10, 1000, 100_000]), draw.choice(["object", "a", "bndbox"])
        at = draw.choice(tags).start() if tags else 0
        text = text[:at] + f"<{nested}>" * depth + f"</{nested}>" * draw.choice([depth, depth, 0]) + text[at:]
    elif kind == 5:
        levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, draw.choice([3, 9])))
        text = f'<!DOCTYPE a [<!ENTITY l0 "lol"><!ENTITY lol "x">{levels}]>' + text.replace("cat", "&l2;&lol;")
    elif kind == 6:
        declared, used = draw.choice(odd.DECLARED), draw.choice(odd.ENCODINGS + ["utf-8"] * 8)
        return f'<?xml version="1.0" encoding="{declared}"?>{text}'.encode(used, "replace")
    elif tags:
        first, last = sorted((draw.choice(tags).start(), draw.choice(tags).start()))
        text = text[:last] + text[first:last] * draw.choice([1, 30]) + text[last:]
    return text.encode("utf-8", "surrogatepass")


def idx_changed(content: bytes, draw: Random) -> bytes:
    """Type, rank or a length by another; inside gzip, if it is."""
    if content[:2] == b"\x1f\x8b":
        return gzip.compress(idx_changed(gzip.decompress(content), draw), mtime=0)
    at = draw.choice([2, 3, 4, 8, 12, 16])
    if at < 4:
        return content[:at] + bytes([draw.randrange(256)]) + content[at + 1 :]
    number = draw.choice([0, 1, 2, 255, 1 << 16, 1 << 28, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
    return content[:at] + struct.pack(">I", number) + content[at + 4 :]


def png_changed(content: bytes, draw: Random) -> bytes:
    """The header's numbers, or a chunk left out, doubled, moved, filled anew; checksums are right."""
    chunks, at = [], 8
    while at + 8 <= len(content):
        size = struct.unpack(">I", content[at : at + 4])[0]
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    number, kind = draw.randrange(len(chunks)), draw.randrange(7)
    name, data = chunks[number]
    if kind <= 1:
        sides = [draw.choice([1, 3, 64, 13_300, 70_000, 1 << 31]) for _ in range(2)]
        rest = [draw.choice([1, 2, 4, 8, 8, 16]), draw.choice([0, 2, 3, 4, 6, 7]), 0, 0, draw.choice([0, 0, 1, 2])]
        head = struct.unpack(">IIBBBBB", chunks[0][1])
        chosen = [draw.choice(pair) for pair in zip(head, [*sides, *rest], strict=True)]
        chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *(n & 0xFFFFFFFF for n in chosen)))
    elif kind == 2:
        del chunks[number]
    elif kind == 3:
        chunks.insert(draw.randrange(len(chunks)), chunks[number])
    elif kind == 4:
        chunks[number] = (name, bytes_changed(data, draw))
    elif kind == 5:
        extra = draw.choice(
            [b"eXIf", b"iCCP", b"tRNS", b"PLTE", b"gAMA", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"sRGB"]
        )
        exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes([0, draw.randrange(12), 0, 0])
        filled = draw.choice([b"", exif, draw.randbytes(40), b"a\0\0" + zlib.compress(bytes(1 << 20)), bytes(768)])
        chunks.insert(draw.randrange(1, len(chunks) + 1), (extra, filled))
    else:
        chunks[number] = (draw.choice([b"IDAT", b"IEND", b"PLTE", b"tRNS", b"abcd"]), data)
    return content[:8] + b"".join(_png_chunk(*chunk) for chunk in chunks)


def _png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


_INSERTED = [
    b")" + b"\x85" * 50_000, b")" + b"q\x00h\x00\x86" * 50, b"r\xff\xff\xff\x7f", b"\x8d" + b"\xff" * 8,
    b"L" + b"1" * 5000 + b"\n",
    b"cos\nsystem\n", b"cbuiltins\neval\n", b"(", b"}", b"]", b"0", b"2", b"N", b"R", b"b", b"s", b"u", b"e",
    b"h\x00", b"t",
    b"\x8a\xff" + b"\xff" * 255, b"\x8b\xff\xff\xff\x7f", b"B\xff\xff\xff\xff", b"K\x05\x85", b"\x81", b"\x8f",
    b"I999999999999\n",
]  # fmt: skip


def pickle_changed(content: bytes, draw: Random) -> bytes:
    """An instruction left out, doubled, moved, or one that no array needs."""
    places = [place or 0 for _, _, place in pickletools.genops(io.BytesIO(content))]
    pieces = [content[a:b] for a, b in zip(places, [*places[1:], len(content)], strict=True)]
    at, kind = draw.randrange(len(pieces)), draw.randrange(5)
    if kind == 0:
        del pieces[at]
    elif kind == 1:
        pieces.insert(at, pieces[at])
    elif kind == 2:
        pieces.insert(draw.randrange(len(pieces)), pieces.pop(at))
    elif kind == 3:
        pieces[at] = bytes_changed(pieces[at], draw)
    else:
        pieces.insert(at, draw.choice(_INSERTED))
    return b"".join(piece for piece in pieces if piece[:1] != b"\x95")  # a frame's length would no longer be right


def safetensors_changed(content: bytes, draw: Random) -> bytes:
    """The header, a note, or an array; with checksums that are right again, or none."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    notes = header.get("__metadata__", {})
    kind = draw.randrange(4)
    if kind == 0:
        text = json_changed(content[8 : 8 + length], draw)
        return len(text).to_bytes(8, "little") + text + data
    if kind == 1 and notes:
        key = draw.choice([name for name in notes if not name.startswith("checksum")])
        notes[key] = _note_changed(notes[key].encode(), draw).decode("utf-8", "replace")
        if draw.random() < 0.1:
            del notes[key]
    else:
        name = draw.choice([name for name in header if name != "__metadata__"])
        start, end = header[name]["data_offsets"]
        data = data[:start] + _numbers_changed(data[start:end], draw) + data[end:]
    return _rebuilt(header, notes, data, draw)


def _note_changed(note: bytes, draw: Random) -> bytes:
    if note[:1] in {b"{", b"["}:
        return json_changed(note, draw)
    return (
        toml_changed(note, draw) if b"\n" in note else draw.choice([*odd.TEXT, *odd.JSON]).encode("utf-8", "replace")
    )


def _numbers_changed(data: bytes, draw: Random) -> bytes:
    """One number, or all, by something else."""
    odd_number = draw.choice(
        [struct.pack("<f", value) for value in (float("nan"), float("inf"), 1e38, -1.0, 0.0)]
        + [struct.pack("<i", value) for value in (-1, 1 << 30, -(1 << 31), 63)]
    )
    if draw.random() < 0.3:
        return (odd_number * (len(data) // 4 + 1))[: len(data)]
    at = draw.randrange(len(data) // 4 + 1) * 4
    return (data[:at] + odd_number + data[at + 4 :])[: len(data)]


def _rebuilt(header: dict[str, Any], notes: dict[str, str], data: bytes, draw: Random) -> bytes:
    """A file of these parts. Half of them have no checksums, as version 0.1's; the others have right ones."""
    from pellucid.errors import PellucidError
    from pellucid.weights import unpack, with_checksums

    notes = {key: value for key, value in notes.items() if not key.startswith("checksum")}
    text = json.dumps({**header, "__metadata__": notes}).encode()
    plain = len(text).to_bytes(8, "little") + text + data
    if draw.random() < 0.5:
        return plain
    try:
        return with_checksums(*unpack(plain))
    except PellucidError:
        return plain


FORMATS: dict[str, Mutation] = {
    ".json": json_changed,
    ".jsonl": json_lines_changed,
    ".toml": toml_changed,
    ".txt": text_changed,
    ".yaml": text_changed,
    ".setting": setting_changed,
    ".xml": xml_changed,
    "-ubyte": idx_changed,
    "-ubyte.gz": idx_changed,
    ".png": png_changed,
    ".pkl": pickle_changed,
    ".safetensors": safetensors_changed,
    ".onnx": onnx_changed,
}
