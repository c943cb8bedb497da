"""Commands in processes of their own that begin at once: forked from this one, which has everything loaded."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from pellucid import cli

PATIENCE = 300.0  # seconds for something to happen at all, on a busy machine


@dataclass
class Job:
    """`pellucid` with some arguments. code: how it ended, once it has; killed: -9."""

    process: int
    output: Path
    code: int | None = None

    def ended(self) -> bool:
        """Whether it has."""
        if self.code is None:
            found, status = os.waitpid(self.process, os.WNOHANG)
            if found:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def wait(self) -> int:
        """Its exit code. Raises SystemExit where it doesn't end."""
        end = time.monotonic() + PATIENCE
        while not self.ended():
            if time.monotonic() > end:
                raise SystemExit(f"a process hangs: {self.said()}")
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    def kill(self) -> int:
        """SIGKILL, unless it has ended; its exit code."""
        if not self.ended():
            os.kill(self.process, signal.SIGKILL)
        return self.wait()

    def said(self) -> str:
        """What it printed."""
        return self.output.read_text(errors="replace")


def begin(arguments: list[str], output: Path, work: Path) -> Job:
    """Start one, in the folder `work`. What it prints goes to the file `output`, which lies elsewhere."""
    output.write_bytes(b"")
    process = os.fork()
    if process:
        return Job(process, output)
    code = 70
    try:  # from here on it's the child, which must never come back
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.chdir(work)
        code = cli.main(arguments)
    finally:
        os._exit(code)
