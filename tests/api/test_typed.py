"""The types that others see: a program that uses public names only passes mypy --strict."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "typed" / "program.py"


@pytest.mark.slow
def test_a_program_of_public_names_passes_mypy_strict(tmp_path: Path) -> None:
    shutil.copy(PROGRAM, tmp_path)
    source = Path(__file__).parents[2] / "src"
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "program.py"],
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in ran.stdout.splitlines() if line.startswith("program.py")]
    assert not complaints
    assert "program.py" not in ran.stdout or ran.returncode == 0


@pytest.mark.slow
def test_a_program_of_public_names_passes_pyright_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    pytest.importorskip("pyright")
    shutil.copy(PROGRAM, tmp_path)
    (tmp_path / "wrong.py").write_text('import pellucid as pl\n\nmodel: int = pl.load("model.safetensors")\n')
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "reportUnknownMemberType": false}')
    source = Path(__file__).parents[2] / "src"
    ran = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not ran.stdout.startswith("{"):
        pytest.skip("pyright can't be fetched here")
    told = json.loads(ran.stdout)["generalDiagnostics"]
    wrong = [one for one in told if one["file"].endswith("wrong.py")]
    assert [one["message"].split("\n")[0] for one in told if one not in wrong] == []
    assert any('"Model" is not assignable to' in one["message"] for one in wrong)
