"""Which vector instructions kernels may use: all that this processor has, or an older set that is asked for.

    base      registers of 128 bits, as every machine has (SSE, NEON)
    avx2      256 bits; products joined with sums, float16 converted by the processor
    avx512    512 bits
    vnni      four products of bytes in each 32 bits of a register at once (vpdpbusd)
    bf16      two products of bfloat16 in each 32 bits of a register at once (vdpbf16ps), rounding to bfloat16
    amx       matrix tiles of bfloat16 and of bytes; Linux gives them to who asks, once a process

Each set holds those before it. The environment variable PELLUCID_INSTRUCTIONS names the largest that may be used, so
that one machine tries what others run. LLVM is told as well, lest it finds a newer instruction by itself.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Mapping

import numba
from llvmlite import binding

from pellucid.errors import PellucidError

VARIABLE = "PELLUCID_INSTRUCTIONS"

SETS: dict[str, tuple[str, ...]] = {
    "base": (),
    "avx2": ("avx2", "fma", "f16c"),
    "avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl"),
    "vnni": ("avx512vnni",),
    "bf16": ("avx512bf16",),
    "amx": ("amx-tile", "amx-bf16", "amx-int8"),
}
"""What each set adds, in LLVM's names."""

# Beginnings of the names of features that belong to a set or to what no set names yet.
_FAMILIES = {
    "avx2": ("avx", "fma", "f16c", "xop", "vaes", "vpclmul"),
    "avx512": ("avx512", "avx10", "evex512"),
    "vnni": ("avx512vnni", "avxvnni"),
    "bf16": ("avx512bf16", "avx512fp16", "avxneconvert", "avx10"),
    "amx": ("amx",),
}

_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA = 158, 0x1023, 18  # numbers of Linux on x86-64


def available(features: Mapping[str, bool] | None = None) -> tuple[str, ...]:
    """The sets that this processor has (or one with those features of LLVM's), the smallest first."""
    has = binding.get_host_cpu_features() if features is None else features
    found: list[str] = []
    for name, needed in SETS.items():
        if not all(has.get(feature) for feature in needed):
            break
        found.append(name)
    return tuple(found)


def tiles_given() -> bool:
    """Ask Linux for the tiles' registers; False where it refuses, as in some containers, or is another system."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False
    refused: int = ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA)
    return refused == 0


def _chosen() -> str:
    """The set that is used. Raises PellucidError where another one is asked for than this processor has."""
    found, asked = available(), os.environ.get(VARIABLE)
    if found[-1] == "amx" and asked in {None, "", "amx"} and not tiles_given():
        found = found[:-1]
    if not asked:
        return found[-1]
    if asked not in found:
        raise PellucidError(
            f"{VARIABLE}: expected one of {', '.join(found)}, which this processor has, got {asked!r}"
        )
    return asked


def _allowed(chosen: str) -> dict[str, bool]:
    """Every feature that LLVM knows of this processor, and whether it may be used."""
    allowed = dict(binding.get_host_cpu_features())
    for name in list(SETS)[list(SETS).index(chosen) + 1 :]:
        for feature in allowed:
            if feature.startswith(_FAMILIES[name]):
                allowed[feature] = False
    return allowed


INSTRUCTIONS = _chosen()
"""Name of the set that kernels are compiled for."""

if os.environ.get(VARIABLE) and numba.config.CPU_FEATURES is None:
    numba.config.CPU_FEATURES = ",".join(f"{'+' if on else '-'}{name}" for name, on in _allowed(INSTRUCTIONS).items())


def has(name: str) -> bool:
    """Whether kernels may use the set of that name."""
    order = list(SETS)
    return order.index(name) <= order.index(INSTRUCTIONS)
