"""Which instructions multiply numbers of each form, in a word or two."""

from pellucid.ops.numba_ops.compile.bfloat16 import PRODUCTS
from pellucid.ops.numba_ops.compile.registers import LANES
from pellucid.ops.numba_ops.compile.tiles import TILES
from pellucid.ops.numba_ops.integer.products import BYTES_IN_WORDS

REGISTERS = {4: "128 bits", 8: "AVX2", 16: "AVX-512"}


def instructions(form: str) -> str:
    """Of a float format by its name, or of integers ("int8" and so on)."""
    if form.startswith("int"):
        if TILES:
            return "matrix tiles of bytes"
        return "vpdpbusd" if BYTES_IN_WORDS else f"{REGISTERS[LANES]}, bytes widened"
    if form == "bfloat16" and TILES:
        return f"matrix tiles of bfloat16, vdpbf16ps, {REGISTERS[LANES]}"
    if form == "bfloat16" and PRODUCTS:
        return f"vdpbf16ps, {REGISTERS[LANES]}"
    return REGISTERS[LANES] + (", widened" if form in {"float16", "bfloat16"} else "")
