"""Kernels are compiled once, never stale, wherever files can be written; and run beside forks, threads, processes."""

import ast
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import pellucid
from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.ops import numba_ops, numpy_ops
from pellucid.ops.numba_ops.compile import sources
from pellucid.ops.numba_ops.compile.vectors import LANES

PACKAGE = Path(pellucid.__file__).parent
ANNOUNCEMENT = "compiling kernels for this machine"

SIGMOID = """
import sys, numpy as np
from pellucid.ops.numba_ops.elementwise.activation import sigmoid
from pellucid.ops.numba_ops.compile.jit import cache_folder
print(sigmoid(np.zeros(3, sys.argv[1]))[0], cache_folder())
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the ops alone, without compiled kernels: the folder to import from."""
    target = tmp_path / "copy" / "pellucid"
    shutil.copytree(PACKAGE / "ops", target / "ops", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "errors.py"):
        shutil.copy(PACKAGE / name, target / name)
    return target.parent


def environment(source: Path, home: Path) -> dict[str, str]:
    dropped = {"NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "PELLUCID_VECTOR_WIDTH"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"PYTHONPATH": str(source), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}


def start(code: str, env: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[list[str], int]:
    """Words on stdout, and how often compiling was announced."""
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return output.split(), errors.count(ANNOUNCEMENT)


def test_two_processes_compile_at_once_and_a_third_finds_both_results(package: Path, tmp_path: Path) -> None:
    env = environment(package, tmp_path)
    processes = [start(SIGMOID, env, dtype) for dtype in ("float32", "float64")]
    for process in processes:
        words, announced = finish(process)
        assert (words[0], announced) == ("0.5", 1)
        assert Path(words[1]).is_relative_to(package)
    both = SIGMOID + "print(sigmoid(np.zeros(3, 'float64'))[0])"
    words, announced = finish(start(both, env, "float32"))
    assert (words[0], words[2], announced) == ("0.5", "0.5", 0)


KEPT = """
import sys, numpy as np
from pellucid.ops import numba_ops
from pellucid.ops.geometry import Geometry
x, w = np.ones((2, 6, 9, 9), np.float32), np.ones((7, 6, 5, 5), np.float32)
print(numba_ops.conv2d(x, w, None, Geometry(stride=(2, 2))).sum(), "numba.np.linalg" in sys.modules)
"""


def test_what_is_kept_is_loaded_without_all_that_numba_can_compile(package: Path, tmp_path: Path) -> None:
    """With arrays that the kernel makes, in both of its forms."""
    env = environment(package, tmp_path / "home")
    for expected in (["18900.0", "True"], ["18900.0", "False"]):
        for threads in ("1", "2"):
            output, _ = finish(start(KEPT, env | {"NUMBA_NUM_THREADS": threads}))
            assert output[0] == expected[0]
            assert output[1] == expected[1]


def test_an_edit_in_a_file_that_a_kernel_calls_is_noticed(package: Path, tmp_path: Path) -> None:
    env = environment(package, tmp_path)
    assert finish(start(SIGMOID, env, "float32"))[0][0] == "0.5"
    called = package / "pellucid" / "ops" / "numba_ops" / "elementwise" / "exponential.py"
    source = called.read_text()
    edited = source.replace("else p * power", "else p * power * 3")
    assert edited != source
    called.write_text(edited)
    words, announced = finish(start(SIGMOID, env, "float32"))
    assert (words[0], announced) == ("0.25", 1)


def test_where_neither_package_nor_home_is_writable(package: Path, tmp_path: Path) -> None:
    # A file where a folder would have to be made stops even a superuser, whom permissions do not.
    (package / "pellucid" / "ops" / "numba_ops" / "__pycache__").write_text("")
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.write_text("")
    temporary.mkdir()
    env = environment(package, home) | {"TMPDIR": str(temporary)}
    words, announced = finish(start(SIGMOID, env, "float32"))
    assert (words[0], announced) == ("0.5", 1)
    assert Path(words[1]).is_relative_to(temporary)
    for name in ("TMPDIR", "TEMP", "TMP"):
        env[name] = str(home)
    nowhere = "import sys, tempfile; tempfile.tempdir = sys.argv[2]" + SIGMOID
    words, announced = finish(start(nowhere, env, "float32", str(home)))
    assert (words, announced) == (["0.5", "None"], 1)


def test_folder_that_others_can_write_to_is_not_trusted(package: Path, tmp_path: Path) -> None:
    folder = package / "pellucid" / "ops" / "numba_ops" / "__pycache__" / "kernels"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    words, _ = finish(start(SIGMOID, environment(package, tmp_path), "float32"))
    assert Path(words[1]) != folder


FORK = """
import os, numpy as np
from pellucid.ops.numba_ops import relu
x = np.linspace(-1, 1, 100_000, dtype=np.float32)
y = relu(x)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(relu(x), y) else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert np.array_equal(relu(x), y)
print(code)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_forked_child_computes(layer: str) -> None:
    env = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "NUMBA_THREADING_LAYER": layer}
    assert finish(start(FORK, env))[0] == ["0"]


def test_python_threads_at_once() -> None:
    x = np.linspace(-1, 1, 50_000, dtype=np.float32)
    expected = numpy_ops.relu(x)
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(i for i in range(50) if not np.array_equal(numba_ops.relu(x), expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_number_of_threads_does_not_change_a_bit() -> None:
    x = np.random.default_rng(0).standard_normal((40, 7, 11, 13)).astype(np.float32)
    before = ops.threads()
    sums = []
    try:
        for count in range(1, before + 1):
            assert ops.set_threads(count) == count == ops.threads()
            sums.append(numba_ops.channel_sum(x))
    finally:
        ops.set_threads(before)
    for total in sums:
        np.testing.assert_array_equal(total, sums[0])


@pytest.mark.parametrize("count", [0, -1, 100_000])
def test_impossible_number_of_threads_is_refused(count: int) -> None:
    with pytest.raises(PellucidError, match=f"threads: expected 1 to .*, got {count}"):
        ops.set_threads(count)


WIDTH = """
import numpy as np
from pellucid.ops import numba_ops, numpy_ops
from pellucid.ops.numba_ops.compile import sources
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.vectors import LANES
rng = np.random.default_rng(0)
worst = 0.0
for C, K, size, stride in ((5, 18, 3, 1), (16, 16, 3, 1), (3, 17, 5, 2), (19, 4, 1, 1)):
    x = rng.standard_normal((2, C, 11, 10)).astype(np.float32)
    w = rng.standard_normal((K, C, size, size)).astype(np.float32)
    geometry = Geometry((stride, stride), (1, 1, 1, 1))
    y = numpy_ops.conv2d(x.astype(float), w.astype(float), None, geometry)
    dy = y.astype(np.float32)
    for name, arguments in (
        ("conv2d", (x, w, None)), ("conv2d_input_gradient", (dy, w, (11, 10))),
        ("conv2d_weight_gradient", (dy, x, (size, size))),
    ):
        wide = [a.astype(float) if isinstance(a, np.ndarray) else a for a in arguments]
        expected = getattr(numpy_ops, name)(*wide, geometry)
        got = getattr(numba_ops, name)(*arguments, geometry)
        worst = max(worst, np.abs(got - expected).max() / np.abs(expected).max())
print(LANES, worst)
"""


@pytest.mark.parametrize("lanes", [lanes for lanes in (4, 8) if lanes < LANES])
def test_narrower_registers(lanes: int) -> None:
    env = os.environ | {"PYTHONPATH": str(PACKAGE.parent), "PELLUCID_VECTOR_WIDTH": str(lanes)}
    words, _ = finish(start(WIDTH, env))
    assert int(words[0]) == lanes
    assert float(words[1]) < 1e-5  # Winograd's bound for the largest error against the largest output


def test_all_imports_of_a_source_are_found() -> None:
    parts = [file.relative_to(sources.FOLDER).with_suffix("").parts for file in sources.FOLDER.rglob("*.py")]
    names_of = [".".join((sources.PACKAGE, *part)).removesuffix(".__init__") for part in parts]
    modules = [module for module in names_of if module != sources.PACKAGE]
    assert len(modules) > 50
    for module in modules:
        names = set()
        for node in ast.walk(ast.parse(sources._source(module))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        assert {name for name in names if sources._file(name)} <= set(sources._imported(module)), module
