"""The types that others see: a program that uses public names only passes mypy --strict."""

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
