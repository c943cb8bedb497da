"""The process that reads: it takes seeds from stdin and answers with outcomes, within bounds of memory."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
from pathlib import Path

from robustness.attempts import MEMORY, Files, Outcome
from robustness.calls import CALLERS, Calls
from robustness.readers import READERS

MOST = 1 << 30  # bytes that one input may need
ROOM = 3 << 30  # bytes of addresses beyond those at the start; asking for more is a MemoryError


def main() -> None:
    """`python -m robustness.worker READER FOLDER`."""
    name, folder = sys.argv[1:]
    faulthandler.enable()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what is printed in an attempt is no answer
    tried: Files | Calls
    if name in CALLERS:
        tried = Calls(name)
    else:
        tried = files = Files(next(reader for reader in READERS if reader.name == name), Path(folder))
        files.reader.read(files.folder, files.victims[0])  # what is imported when first used
    addresses = _status("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (addresses + ROOM, addresses + ROOM))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5")  # the largest use is counted from here on
        before = _status("VmRSS")
        outcome = tried.attempt(int(line))
        used = _status("VmHWM") - before
        if used > MOST:
            outcome = Outcome(MEMORY, f"{used / 1e9:.2f} GB; {outcome.kind}: {outcome.said}")
        print(json.dumps([outcome.kind, outcome.said]), file=answers, flush=True)


def _status(name: str) -> int:
    """Bytes, from the system's account of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
