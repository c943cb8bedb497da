"""The campaign: rounds over all readers and callers until the time is over, then a table."""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from robustness.attempts import CRASH, FINDINGS, HANG, REFUSED, RIGHT, Files, Outcome
from robustness.calls import CALLERS
from robustness.readers import READERS

ROUND = 50  # inputs of a reader before the next reader's turn
START_SECONDS = 180
COMPILING = 300.0  # seconds


class Process:
    """The worker of a reader or caller, begun anew when it has died."""

    def __init__(self, name: str, folder: Path, seconds: float) -> None:
        self.name, self.folder, self.seconds = name, folder, seconds
        self.child: subprocess.Popen[str] | None = None

    def attempt(self, seed: int) -> Outcome:
        """What the worker says of that seed, or what became of the worker."""
        if self.child is None:
            self._begin()
        assert self.child is not None and self.child.stdin is not None
        self.child.stdin.write(f"{seed}\n")
        self.child.stdin.flush()
        line = self._line(self.seconds)
        if line:
            return Outcome(*json.loads(line))
        ended = line is not None
        self.end()
        return Outcome(CRASH, self.log.read_text(errors="replace")[-4000:]) if ended else Outcome(HANG)

    @property
    def log(self) -> Path:
        """What the worker wrote to stderr, a crash's stack among it."""
        return self.folder.with_suffix(".log")

    def _begin(self) -> None:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        command = [sys.executable, "-m", "robustness.worker", self.name, str(self.folder)]
        with self.log.open("w") as log:
            self.child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
            )
        if self._line(START_SECONDS) != "ready":
            raise SystemExit(f"{self.name}: its valid files can't be read\n{self.log.read_text()}")

    def _line(self, seconds: float) -> str | None:
        """The next line; "" where the worker has ended, None where it takes too long."""
        assert self.child is not None and self.child.stdout is not None
        ready, _, _ = select.select([self.child.stdout], [], [], seconds)
        return self.child.stdout.readline().rstrip("\n") if ready else None

    def end(self) -> None:
        """Stop the worker."""
        if self.child is not None:
            self.child.kill()
            self.child.communicate()
            self.child = None


def main() -> int:
    """Exit code 1 where there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m robustness", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0, help="of the first input; the next ones count on")
    parser.add_argument("--inputs", type=int, default=0, help="of each reader; 0: until the time is over")
    names = [*(reader.name for reader in READERS), *CALLERS]
    parser.add_argument("--reader", choices=names, help="this one alone; ops, layers, networks, front: Python calls")
    parser.add_argument("--seconds", type=float, default=60.0, help="beyond which an input is a hang")
    parser.add_argument("--keep", type=Path, default=Path("findings"), help="folder for the inputs of findings")
    given = parser.parse_args()
    chosen = [name for name in names if given.reader in (None, name)]
    counts: dict[str, Counter[str]] = {name: Counter() for name in chosen}
    end, seed = time.monotonic() + 60 * given.minutes, given.seed
    with tempfile.TemporaryDirectory(prefix="robustness-") as aside:
        processes = [Process(name, Path(aside) / name, _patience(name, given.seconds)) for name in chosen]
        try:
            while time.monotonic() < end and not 0 < given.inputs <= seed - given.seed:
                for process in processes:
                    for number in range(seed, seed + ROUND):
                        if time.monotonic() > end:
                            break
                        outcome = process.attempt(number)
                        counts[process.name][outcome.kind] += 1
                        if outcome.kind in FINDINGS:
                            _report(process.name, number, outcome, given.keep)
                seed += ROUND
        finally:
            for process in processes:
                process.end()
    _table(counts)
    return int(any(count[kind] for count in counts.values() for kind in FINDINGS))


def _patience(name: str, seconds: float) -> float:
    """Seconds for one input; a call may have to wait for kernels that are compiled for it."""
    return max(seconds, COMPILING) if name in CALLERS else seconds


def _report(name: str, seed: int, outcome: Outcome, keep: Path) -> None:
    """One line of a finding; the input and all that was said go to the folder."""
    folder = keep / f"{name}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    if name not in CALLERS:
        with tempfile.TemporaryDirectory() as aside:
            reader = next(reader for reader in READERS if reader.name == name)
            victim, content = Files(reader, Path(aside) / "files").changed(seed)
        (folder / victim.name).write_bytes(content)
    (folder / "said.txt").write_text(outcome.said, "utf-8", "backslashreplace")
    last = (outcome.said.strip().splitlines() or [""])[-1][:150]
    print(f"{outcome.kind}: --reader {name} --seed {seed} {last}", flush=True)


def _table(counts: dict[str, Counter[str]]) -> None:
    kinds = (RIGHT, REFUSED, *FINDINGS)
    rows: list[tuple[str, ...]] = [("reader", "inputs", *kinds)]
    rows += [(name, str(count.total()), *(str(count[kind]) for kind in kinds)) for name, count in counts.items()]
    whole = sum(counts.values(), Counter[str]())
    rows.append(("all", str(whole.total()), *(str(whole[kind]) for kind in kinds)))
    for row in rows:
        print(f"{row[0]:12}" + "".join(f"{cell:>15}" for cell in row[1:]))


if __name__ == "__main__":
    sys.exit(main())
