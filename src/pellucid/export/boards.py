"""The boards that QEMU has of each core, on which a bench program measures an exported network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """machine: QEMU's name. flash, ram: where 4 MB of each begin. float_abi: of the compiler; registers of floats are
    those of vectors. instructions: in one tick of SysTick, where QEMU takes a nanosecond for each."""

    machine: str
    flash: int
    ram: int
    float_abi: str
    instructions: float

    def values(self) -> dict[str, str]:
        """What stands for the marks of `source/`'s Makefile and bench.ld."""
        return {
            "BOARD": self.machine,
            "FLOAT_ABI": self.float_abi,
            "FLASH_START": f"0x{self.flash:08x}",
            "RAM_START": f"0x{self.ram:08x}",
        }


BOARDS = {
    "cortex-m4": Board("mps2-an386", 0x400, 0x20000000, "soft", 40),
    "cortex-m3": Board("mps2-an385", 0x400, 0x20000000, "soft", 40),
    "cortex-m55": Board("mps3-an547", 0x60000000, 0x21000000, "hard", 31.25),
}
"""By core. Vectors lie at 0, before the flash."""
