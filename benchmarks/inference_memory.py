"""Memory that an answer takes: the most that a process holds above what it held once its library was loaded.

pip install -e '.[bench]'
python -m benchmarks.inference_memory [--rows resnet18-16 ...]

Each side has a process of its own, which loads the network from a file, prepares it, and answers twice: weights,
packed weights, working memory, input and output all count. Linux only: the kernel keeps the highest mark.
"""

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.inference import ROWS, drawn, onnx_runtime, openvino
from benchmarks.measure import Work, clean_environment, machine
from pellucid.exchange.onnx_export import save_onnx
from pellucid.network import Network
from pellucid.ops.memory import channels_last
from pellucid.plan import Plan
from pellucid.weights import load_model, save_model
from pellucid.zoo import create

SIDES = "pellucid", "ONNX Runtime", "OpenVINO"


def resident(field: str) -> int:
    """Bytes of this process: VmRSS as it is, VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def measured(side: str, row: str, folder: Path) -> int:
    """Bytes above the baseline, of this process."""
    name, shape, number, options = ROWS[row]
    if side == "pellucid":
        from pellucid.ops import numba_ops  # noqa: F401
    else:
        __import__({"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}[side])
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest mark begins anew
    x = channels_last(np.zeros((number, *shape), np.float32))
    if side == "pellucid":
        network = Network(create(name, 10, **options), shape)
        load_model(folder / "weights.safetensors", network)
        answer: Work = partial(Plan(network, x.shape), x)
    else:
        answer = {"ONNX Runtime": onnx_runtime, "OpenVINO": openvino}[side](folder / "network.onnx", x)
    answer()
    answer()
    return resident("VmHWM") - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=["resnet18-16"])
    parser.add_argument("--child", nargs=3, metavar=("SIDE", "ROW", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        side, row, folder = given.child
        print(measured(side, row, Path(folder)))
        return
    clean_environment()
    print(machine())
    for row in given.rows:
        name, shape, _, options = ROWS[row]
        network = drawn(name, shape, options)
        print(f"\n{row}, {network.vector.nbytes / 1e6:.1f} MB of weights", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            save_onnx(Path(folder) / "network.onnx", network)
            save_model(Path(folder) / "weights.safetensors", network)
            for side in SIDES:
                command = [sys.executable, "-m", "benchmarks.inference_memory", "--child", side, row, folder]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                print(f"  {side:14} {int(done.stdout.split()[-1]) / 1e6:8.1f} MB", flush=True)


if __name__ == "__main__":
    main()
