"""The page on Python: its blocks run in order, and print what it says; the programs of examples/ run."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_page_on_python_runs_and_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```\n(?:\nprints\n\n((?:    [^\n]*\n)+))?", page, re.DOTALL)
    assert len(blocks) == 6
    scope: dict[str, object] = {"__name__": "page"}
    for code, output in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, scope)
        if output:
            assert printed.getvalue() == re.sub(r"(?m)^    ", "", output)


PROGRAMS = {
    "mnist.py": (("1", "2000"), "'accuracy': 0."),
    "own_layer.py": ((), "'b': "),
    "fine_tuning.py": (("1", "3000"), "fine-tuned:"),
    "detection.py": (("1", "64"), "boxes"),
    "sklearn_pipeline.py": (("2",), "of the test images are right"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_examples_run(name: str, tmp_path: Path) -> None:
    arguments, said = PROGRAMS[name]
    command = [sys.executable, str(ROOT / "examples" / name), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert said in ran.stdout


def test_every_example_is_run() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == set(PROGRAMS)


def test_the_examples_are_as_short_as_they_are_said_to_be() -> None:
    assert len((ROOT / "examples" / "mnist.py").read_text().splitlines()) <= 20
    code = (ROOT / "examples" / "own_layer.py").read_text().split("class ")[1]
    assert len([line for line in code.splitlines() if line.strip() and '"""' not in line]) <= 18
