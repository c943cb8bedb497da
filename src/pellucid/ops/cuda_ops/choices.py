"""What was found fastest on this card, in a file beside the compiled kernels: measured once, the same ever after."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.ptx import folder


@cache
def _path() -> Path:
    name = "".join(c if c.isalnum() else "-" for c in str(getattr(device(), "name", "simulated")))
    return folder() / f"choices-{name}.json"


@cache
def _kept() -> dict[str, str]:
    """By case, what was chosen. A file that can't be read counts as none."""
    try:
        found = json.loads(_path().read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def of(case: str) -> str | None:
    """What was chosen for a case; None where nothing was."""
    return _kept().get(case)


def keep(case: str, choice: str) -> None:
    """Remember it. Where the file can't be written, until the process ends."""
    _kept()[case] = choice
    partial = _path().with_suffix(f".{os.getpid()}")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(_kept(), indent=0))
        partial.replace(_path())
    except OSError:
        return
