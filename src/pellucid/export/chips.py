"""Microcontrollers: their memory, their clock, and what their cores make of an instruction.

The data stand in chips.toml, with their sources; users read more of the same form from files of their own.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from pellucid.documents import parse_toml
from pellucid.errors import PellucidError

FORM = "RAM,FLASH,CORE, such as 128k,512k,cortex-m4 or, with a clock in MHz, 128k,512k,cortex-m4@168"
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}


class Core(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """way: how the C is compiled for it, "dsp", "helium" or "plain". cycles: estimate, of an instruction.

    instructions, small_instructions: how many it takes for one of a Cortex-M, on which they are counted, with -O2 and
    with -Os.
    """

    way: str
    cycles: float
    instructions: float = 1.0
    small_instructions: float = 1.0
    source: str = ""


class Board(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A chip as the file has it: see Chip. mhz: the highest clock."""

    core: str
    mhz: float
    ram: int
    flash: int
    source: str = ""


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody measured on a chip: milliseconds of an image (height, width). network: its name and options."""

    chip: str
    network: dict[str, str | float]
    size: tuple[int, int]
    milliseconds: float
    source: str


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of chips says."""

    cores: dict[str, Core] = {}
    chips: dict[str, Board] = {}
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Chip:
    """ram, flash: bytes. mhz: the highest clock; None where nobody said it. published: what others measured on it."""

    name: str
    core_name: str
    core: Core
    mhz: float | None
    ram: int
    flash: int
    published: tuple[Published, ...] = ()


def read_chips(files: Sequence[Path] = ()) -> Catalogue:
    """The chips of the package, and those of files, which come later and may replace them.

    Raises PellucidError for a file that can't be read or says something else.
    """
    cores: dict[str, Core] = {}
    chips: dict[str, Board] = {}
    published: tuple[Published, ...] = ()
    own = resources.files("pellucid.export") / "chips.toml"
    texts = [("chips.toml", own.read_bytes())]
    for file in files:
        try:
            texts.append((str(file), file.read_bytes()))
        except OSError as error:
            raise PellucidError(f"{file}: cannot be read ({error.strerror})") from error
    for source, content in texts:
        try:
            found = msgspec.convert(parse_toml(content, source), Catalogue)
        except msgspec.ValidationError as error:
            raise PellucidError(f"{source}: {error}") from error
        cores |= found.cores
        chips |= found.chips
        published += found.published
        for name, core in found.cores.items():
            numbers = core.cycles, core.instructions, core.small_instructions
            if core.way not in ("dsp", "helium", "plain") or not _positive(*numbers):
                raise PellucidError(
                    f"{source}: core {name}: expected a way dsp, helium or plain, cycles and instructions above 0, "
                    f"got {core.way!r} and {numbers}"
                )
        for name, board in found.chips.items():
            if board.core not in cores:
                raise PellucidError(
                    f"{source}: chip {name}: unknown core {board.core!r}, expected one of {', '.join(cores)}"
                )
            if not _positive(board.mhz, board.ram, board.flash):
                raise PellucidError(f"{source}: chip {name}: expected mhz, ram and flash above 0")
        for measured in found.published:
            if measured.chip not in chips:
                raise PellucidError(
                    f"{source}: published: unknown chip {measured.chip!r}, expected one of {', '.join(chips)}"
                )
            if not _positive(*measured.size, measured.milliseconds):
                raise PellucidError(
                    f"{source}: published of {measured.chip}: expected a size and milliseconds above 0, "
                    f"got {list(measured.size)} and {measured.milliseconds:g}"
                )
    return Catalogue(cores, chips, published)


def _positive(*numbers: float) -> bool:
    """Whether all are numbers above 0, and finite."""
    return all(0 < number < math.inf for number in numbers)


def find_chip(text: str, catalogue: Catalogue) -> Chip:
    """A chip by its name, or as RAM,FLASH,CORE. Raises PellucidError for what is neither."""
    if "," in text:
        return _described(text, catalogue)
    if text not in catalogue.chips:
        near = difflib.get_close_matches(text, catalogue.chips, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(catalogue.chips)}"
        raise PellucidError(f"unknown chip {text!r}: {hint} Or describe it: {FORM}")
    board = catalogue.chips[text]
    published = tuple(each for each in catalogue.published if each.chip == text)
    return Chip(text, board.core, catalogue.cores[board.core], board.mhz, board.ram, board.flash, published)


def _described(text: str, catalogue: Catalogue) -> Chip:
    match = re.fullmatch(
        r"(\d{1,9})([km]?)b?,(\d{1,9})([km]?)b?,([\w.-]+)(?:@(\d{1,5}(?:\.\d{1,3})?))?", text.lower()
    )
    if not match:
        raise PellucidError(f"chip {text!r}: expected {FORM}")
    ram, ram_unit, flash, flash_unit, core, mhz = match.groups()
    if core not in catalogue.cores:
        raise PellucidError(f"chip {text!r}: unknown core {core!r}, expected one of {', '.join(catalogue.cores)}")
    sizes = int(ram) * UNITS[ram_unit], int(flash) * UNITS[flash_unit]
    clock = float(mhz) if mhz else None
    if not min(sizes) or clock == 0:
        raise PellucidError(f"chip {text!r}: expected sizes and a clock above 0")
    return Chip(text, core, catalogue.cores[core], clock, *sizes)
