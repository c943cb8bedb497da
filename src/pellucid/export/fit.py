"""Whether an exported network fits a chip, and how long it takes there, before one is bought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.errors import PellucidError
from pellucid.export.c import Program
from pellucid.export.chips import Chip
from pellucid.export.constants import packed
from pellucid.export.instructions import HELIUM, SMALL, code_bytes, instructions
from pellucid.plan import IntegerNetwork

STACK, VECTOR_STACK = 512, 640
"""Bytes of stack that the network's functions need at most: measured are 150 to 400; with Helium's vectors, which
functions keep for each other, up to 500."""


@dataclass(frozen=True)
class Fit:
    """One network on one chip, compiled for time (-O2) or for size (-Os).

    Bytes of flash: weights, tables (biases, factors, descriptions) and code, an estimate. Bytes of RAM: arena
    (images, columns of pixels, logits), stack (a bound). instructions, cycles, milliseconds of an image: estimates;
    milliseconds are None without a clock.
    """

    chip: Chip
    small: bool
    weights: int
    tables: int
    code: int
    arena: int
    stack: int
    multiply_adds: int
    instructions: int

    @property
    def flash(self) -> int:
        """Bytes."""
        return self.weights + self.tables + self.code

    @property
    def ram(self) -> int:
        """Bytes."""
        return self.arena + self.stack

    @property
    def cycles(self) -> int:
        """Of an image."""
        return round(self.instructions * self.chip.core.cycles)

    @property
    def milliseconds(self) -> float | None:
        """Of an image, at the chip's highest clock."""
        return None if self.chip.mhz is None else self.cycles / self.chip.mhz / 1000

    @property
    def fits(self) -> bool:
        """Whether flash and RAM do."""
        return self.flash <= self.chip.flash and self.ram <= self.chip.ram


def fit(
    network: IntegerNetwork,
    chip: Chip,
    *,
    small: bool = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    rows: bool = False,
) -> Fit:
    """The network on the chip.

    small: compiled for size. mean, std: of its images, as for `export_c`. rows: images come row by row.

    Raises PellucidError, naming the layer, for what has no form in C.
    """
    program = Program(network, mean, std, rows=rows)
    way = SMALL if small else chip.core.way
    more = chip.core.small_instructions if small else chip.core.instructions
    weights = sum(-(-len(packed(step, program.kernels[i])) // 4) * 4 for i, step in program.affine.items())
    return Fit(
        chip,
        small,
        weights,
        program.constants[1] - weights,
        code_bytes(program, way),
        program.small_ram if small else program.ram,
        VECTOR_STACK if way == HELIUM else STACK,
        program.multiply_adds,
        round(instructions(program, way) * more),
    )


def shares(found: Fit) -> tuple[float, float]:
    """Which shares of the present width and of the present image side would fit, each alone: at most 1.

    Weights grow with the square of the width, images with the width; images grow with the square of the side. 0
    where that alone doesn't help.
    """
    chip = found.chip
    if found.code > chip.flash or found.stack > chip.ram:
        raise PellucidError(f"{chip.name}: the code or its stack alone doesn't fit")
    of_flash = ((chip.flash - found.code) / (found.weights + found.tables)) ** 0.5
    of_ram = (chip.ram - found.stack) / found.arena
    side = (max(0, chip.ram - found.stack) / found.arena) ** 0.5 if found.flash <= chip.flash else 0.0
    return min(1.0, of_flash, of_ram), min(1.0, side)
