"""The page about scikit-learn runs as it stands."""

import re
from pathlib import Path

import pytest

pytest.importorskip("sklearn")


def test_the_code_on_the_page_learns() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sklearn.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    scope: dict[str, object] = {}
    exec(code, scope)
    accuracy = scope["accuracy"]
    assert isinstance(accuracy, float)
    assert accuracy > 0.95
