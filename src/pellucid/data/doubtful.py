"""Picture files that are better looked at before anything is learnt from them: bad, tiny, or there more than once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.pictures import flattened, open_picture
from pellucid.data.room import decoding
from pellucid.errors import PellucidError
from pellucid.ops.cores import available_cores

LEAST_SIDE = 16  # pixels; of less nobody tells what it is
_SLIVER = 6  # a longer side of more than so many shorter ones


@dataclass(frozen=True)
class Listed:
    """A picture's file, the part of the data that it belongs to, and its class, "" where it has none."""

    file: Path
    part: str
    label: str = ""


@dataclass(frozen=True)
class Doubt:
    """A file, and what is doubtful about it."""

    file: Path
    why: str


@dataclass(frozen=True)
class FileLook:
    """What a file holds: a hash of its pixels, (H, W), whether all are of one shade; or what is wrong with it."""

    pixels: bytes = b""
    size: tuple[int, int] = (0, 0)
    plain: bool = False
    error: str = ""


def looked_at(files: Sequence[Path]) -> dict[Path, FileLook]:
    """Every file, read whole: damaged ones may show no sign at their beginning."""
    with ThreadPoolExecutor(available_cores()) as pool:
        return dict(zip(files, pool.map(_look, files), strict=True))


def unreadable(looks: Mapping[Path, FileLook]) -> list[Doubt]:
    """The files that can't be read, which training would refuse."""
    return [Doubt(file, look.error) for file, look in looks.items() if look.error]


def doubtful(files: Sequence[Listed], looks: Mapping[Path, FileLook], folder: Path) -> list[Doubt]:
    """What is doubtful about pictures that can be read; those that are there more than once first.

    Two are the same where all their pixels are, whatever their formats. folder: what paths in the reasons start at.
    """
    found = [looks[listed.file] for listed in files]
    return _doubles(files, found, folder) + _odd(files, found)


def _look(file: Path) -> FileLook:
    with decoding() as take:
        try:
            picture = flattened(open_picture(file, take=take))
        except PellucidError as error:
            return FileLook(error=str(error).removeprefix(f"{file}: "))
        pixels = np.asarray(picture)
        state = hashlib.sha256(f"{pixels.shape}".encode())
        state.update(np.ascontiguousarray(pixels).data)
        return FileLook(state.digest(), (picture.height, picture.width), bool(pixels.min() == pixels.max()))


def _doubles(files: Sequence[Listed], looks: Sequence[FileLook], folder: Path) -> list[Doubt]:
    """Pictures whose pixels an earlier one has: across parts and classes first, as those do harm."""
    first: dict[bytes, Listed] = {}
    found: list[tuple[int, Doubt]] = []
    for listed, look in zip(files, looks, strict=True):
        if look.error or look.plain:
            continue
        other = first.setdefault(look.pixels, listed)
        if other is listed:
            continue
        differs = [
            f"{name} {mine}, that one {theirs}"
            for name, mine, theirs in (("part", listed.part, other.part), ("class", listed.label, other.label))
            if mine != theirs
        ]
        where = os.path.relpath(other.file, folder)
        why = f"the same picture as {where}" + (f": {', '.join(differs)}" if differs else "")
        found.append((-len(differs), Doubt(listed.file, why)))
    return [doubt for _, doubt in sorted(found, key=lambda one: one[0])]


def _odd(files: Sequence[Listed], looks: Sequence[FileLook]) -> list[Doubt]:
    """Tiny pictures, slivers, and those of one shade."""
    doubts = []
    for listed, look in zip(files, looks, strict=True):
        if look.error:
            continue
        H, W = look.size
        if min(H, W) < LEAST_SIDE:
            doubts.append(Doubt(listed.file, f"tiny: {H}x{W} pixels"))
        elif max(H, W) > _SLIVER * min(H, W):
            doubts.append(Doubt(listed.file, f"a sliver: {H}x{W} pixels"))
        elif look.plain:
            doubts.append(Doubt(listed.file, "of one shade all over"))
    return doubts
