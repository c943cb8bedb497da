"""The programs of the page about GPUs print what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba_cuda")

PAGE = Path(__file__).parents[2] / "docs" / "gpu.md"


def test_the_programs_print_what_the_page_says(tmp_path: Path) -> None:
    shown = re.findall(r"```python\n(.*?)```\n\n((?:    [^\n]*\n)+)", PAGE.read_text(), re.DOTALL)
    assert len(shown) == 2
    for code, output in shown:
        (tmp_path / "first.py").write_text(code)
        command = [sys.executable, str(tmp_path / "first.py")]
        simulated = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
        done = subprocess.run(command, env=simulated, capture_output=True, text=True, check=True)
        assert done.stdout == re.sub(r"(?m)^    ", "", output)
