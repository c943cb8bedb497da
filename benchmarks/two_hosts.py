"""Two network namespaces as two machines: train over TCP between them, cut one off in the middle, go on.

As root, with iproute2 and MPICH: python -m benchmarks.two_hosts [--sums]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.jobs import MPIEXEC, differences, write_digits
from pellucid.training.folder import RunFolder

HOSTS = {"10.77.0.1": "pellucid-one", "10.77.0.2": "pellucid-two"}
INTERFACE = "wire"
PATIENCE = 5  # seconds
MACHINE = ("--threads", "1", "--backend", "numpy")

REMOTE_SHELL = f"""#!/bin/sh
# in place of ssh: options, a host, a command
while [ "${{1#-}}" != "$1" ]; do shift; done
case $1 in {" ".join(f"{address}) name={name};;" for address, name in HOSTS.items())} esac
shift
exec ip netns exec $name sh -c "$*"
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@contextmanager
def namespaces() -> Iterator[None]:
    """Two of them with a wire between, each with its own address."""
    one, two = HOSTS.values()
    try:
        for name in HOSTS.values():
            ip("netns", "add", name)
        ip("link", "add", INTERFACE, "netns", one, "type", "veth", "peer", "name", INTERFACE, "netns", two)
        for address, name in HOSTS.items():
            ip("-n", name, "address", "add", f"{address}/24", "dev", INTERFACE)
            for device in ("lo", INTERFACE):
                ip("-n", name, "link", "set", device, "up")
        time.sleep(1)
        yield
    finally:
        for name in HOSTS.values():
            subprocess.run(["ip", "netns", "delete", name], check=False)


def start(folder: Path, program: Sequence[str]) -> subprocess.Popen[str]:
    """A rank in each namespace; UCX, which carries MPICH's messages, may use TCP on the wire and nothing else."""
    first, *_ = HOSTS
    shell = str(folder / "shell")
    command = [
        "ip", "netns", "exec", HOSTS[first], str(MPIEXEC), "-launcher", "ssh", "-launcher-exec", shell,
        "-localhost", first, "-hosts", ",".join(HOSTS), "-n", "2", sys.executable, "-m", *program,
    ]  # fmt: skip
    wire = {"UCX_TLS": "tcp", "UCX_NET_DEVICES": INTERFACE, "PELLUCID_PATIENCE": str(PATIENCE)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | wire, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def begin(folder: Path, out: str) -> subprocess.Popen[str]:
    program = [
        "pellucid", "train", "tiny-digits", "--data", str(folder / "digits"), "--out", str(folder / out),
        "--epochs", "30", "--batch-size", "50", *MACHINE,
        "--set=training.weight_bits=0", "--set=training.checkpoint_seconds=0.0",
    ]  # fmt: skip
    return start(folder, program)


def finish(job: subprocess.Popen[str]) -> None:
    text = job.communicate()[0]
    if job.returncode:
        raise SystemExit(f"code {job.returncode}: {text}")


def cut_off(job: subprocess.Popen[str]) -> str:
    """Take the second host off the network when training has come some way; the last line that came."""
    assert job.stdout is not None
    for line in job.stdout:
        if line.startswith("epoch 5/"):
            break
    ip("-n", HOSTS["10.77.0.2"], "link", "set", INTERFACE, "down")
    moment = time.monotonic()
    text = job.stdout.read()
    job.wait()
    print(f"cut off: ended with code {job.returncode} after {time.monotonic() - moment:.1f} s")
    ip("-n", HOSTS["10.77.0.2"], "link", "set", INTERFACE, "up")
    time.sleep(2)
    return next((line for line in reversed(text.splitlines()) if line.startswith("pellucid:")), text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sums", action="store_true", help="only time sums over the wire")
    only_sums = parser.parse_args().sums
    with tempfile.TemporaryDirectory() as name, namespaces():
        folder = Path(name)
        (folder / "shell").write_text(REMOTE_SHELL)
        (folder / "shell").chmod(0o755)
        print(start(folder, ["benchmarks.distributed", "--sums"]).communicate()[0], end="")
        if not only_sums:
            write_digits(folder / "digits", 600, 200)
            train_and_cut(folder)


def train_and_cut(folder: Path) -> None:
    """A run that is cut off and goes on ends as one that isn't."""
    finish(begin(folder, "whole"))
    print(cut_off(begin(folder, "cut")))
    finish(start(folder, ["pellucid", "train", "--resume", str(folder / "cut"), *MACHINE]))
    found = differences(RunFolder(folder / "whole"), RunFolder(folder / "cut"))
    if found:
        raise SystemExit(f"different: {found}")
    print("gone on: same weights, history and files as without the cut")


if __name__ == "__main__":
    main()
