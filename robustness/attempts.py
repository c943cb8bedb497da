"""One input: made from a seed, read, and judged."""

from __future__ import annotations

import shutil
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random

from pellucid import ops
from pellucid.errors import PellucidError
from robustness.mutations import mutated
from robustness.readers import Reader

RIGHT, REFUSED, TRACEBACK, CRASH, HANG, MEMORY = "right", "PellucidError", "traceback", "crash", "hang", "memory"
FINDINGS = (TRACEBACK, CRASH, HANG, MEMORY)


@dataclass(frozen=True)
class Outcome:
    """kind: one of those above. said: the error's line, or the traceback."""

    kind: str
    said: str = ""


class Files:
    """A reader's valid files in a folder of its own, of which one at a time is changed."""

    def __init__(self, reader: Reader, folder: Path) -> None:
        self.reader, self.folder = reader, folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with ops.use_backend("numpy"):
            reader.make(folder)
        self.valid = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        self.victims = [path for ending in reader.victims for path in self.valid if path.name.endswith(ending)]

    def changed(self, seed: int) -> tuple[Path, bytes]:
        """Which file that seed changes, and into what."""
        draw = Random(f"{self.reader.name} {seed}")
        victim = draw.choice(self.victims)
        return victim, mutated(victim.name, self.valid[victim], draw)

    def attempt(self, seed: int) -> Outcome:
        """Read the files with that change."""
        victim, content = self.changed(seed)
        victim.write_bytes(content)
        try:
            with warnings.catch_warnings(), ops.use_backend("numpy"):
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", RuntimeWarning)  # NumPy's, which a user would see beside the answer
                self.reader.read(self.folder, victim)
        except PellucidError as error:
            line = str(error)
            return Outcome(REFUSED, line) if line.isprintable() else Outcome(TRACEBACK, f"not one line: {line!r}")
        except Exception:
            return Outcome(TRACEBACK, traceback.format_exc())
        finally:
            victim.write_bytes(self.valid[victim])
        return Outcome(RIGHT)
