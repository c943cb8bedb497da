"""What the README and the pages show runs as it stands, and prints what they say."""

import contextlib
import io
import re
from pathlib import Path

import numpy as np

README = Path(__file__).parents[2] / "README.md"


def test_the_code_in_the_readme_learns() -> None:
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(code) == 2
    front: dict[str, object] = {}
    exec(code[0], front)
    assert front["run"].evaluate()["accuracy"] > 0.9  # type: ignore[attr-defined]
    scope: dict[str, object] = {}
    exec(code[1], scope)
    loss = scope["loss"]
    assert isinstance(loss, float)
    assert np.isfinite(loss)
    assert loss < 0.5  # from 2.3, the loss of a guess among ten


def test_the_code_on_the_page_about_graphs_prints_what_it_says() -> None:
    page = (README.parent / "docs" / "graph.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```\n(?:\n((?:    [^\n]*\n)+))?", page, re.DOTALL)
    shown = [(code, output) for code, output in blocks if "import" in code]
    assert len(shown) == 3
    for code, output in shown:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        assert printed.getvalue() == re.sub(r"(?m)^    ", "", output)


def test_every_page_and_picture_that_a_page_names_is_there() -> None:
    pages = [README, *README.parent.glob("docs/**/*.md")]
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            if "api/made/" in target:  # made when the site is built, which refuses a link to nothing
                continue
            assert (page.parent / target).exists(), f"{page.name} names {target}"
