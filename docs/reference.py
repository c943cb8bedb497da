"""The pages of the reference that are made from the code, without running it: a page a room, and the commands."""

from __future__ import annotations

import ast
import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "pellucid"

ROOMS = {
    "ops": "what each operation means",
    "layers": "a forward and a backward, a file a family",
    "graph": "containers, nodes, and what runs them",
    "plan": "networks that only have to answer",
    "zoo": "networks that people know",
    "data": "from files to batches",
    "tasks": "losses, measures and answers",
    "training": "the loop, optimizers, schedules, callbacks",
    "precision": "fewer bits",
    "analysis": "checks, costs, fields, features",
    "exchange": "from and to other programs",
    "export": "networks on other machines",
    "recipes": "a run as data",
    "front": "what Python sees",
    "sklearn": "scikit-learn's estimators",
}
"""Each room, and what it is for, in the order in which the others build on it."""

BACKENDS = {"numba_ops", "cuda_ops"}  # their functions are those of numpy_ops

Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def write_rooms(folder: Path) -> None:
    """A page for each room: every module, and every public name in it, with what it takes and gives."""
    for room, purpose in ROOMS.items():
        lines = [f"# `{room}`: {purpose}", ""]
        for file in sorted((SOURCE / room).rglob("*.py")):
            if not BACKENDS & set(file.parts) and (file.name == "__init__.py" or file.name[0] != "_"):
                lines += _module(file)
        _write(folder / f"{room}.md", lines)


def _module(file: Path) -> list[str]:
    tree = ast.parse(file.read_text())
    found = [node for node in tree.body if isinstance(node, Named) and node.name[0] != "_"]
    name = ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
    lines = [f"## {name}", "", *_text(ast.get_docstring(tree)), ""]
    for node in found:
        lines += [*_entry(node, "### "), *_text(ast.get_docstring(node)), ""]
        for method in _methods(node):
            lines += [*_entry(method, ""), *_text(ast.get_docstring(method)), ""]
    return lines


def _methods(node: Named) -> Iterator[Named]:
    """The public methods of a class that say more than their names do."""
    if isinstance(node, ast.ClassDef):
        for one in node.body:
            if isinstance(one, Named) and one.name[0] != "_" and ast.get_docstring(one):
                yield one


def _entry(node: Named, heading: str) -> list[str]:
    """A name, and how it is called."""
    made: Named | None = node
    if isinstance(node, ast.ClassDef):
        made = next((one for one in node.body if isinstance(one, Named) and one.name == "__init__"), None)
    call = ""
    if made is not None and not isinstance(made, ast.ClassDef):
        call = f"({ast.unparse(made.args)})".replace("(self, ", "(").replace("(self)", "()")
        call += f" -> {ast.unparse(made.returns)}" if made.returns is not None and made is node else ""
    lines = [f"{heading}{node.name}", ""] if heading else []
    return [*lines, f"`{node.name}{call}`", ""]


def _text(docstring: str | None) -> list[str]:
    """A docstring as paragraphs of plain text; what is indented or an example is code."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", docstring or ""):
        if paragraph.startswith(("    ", ">>> ")):
            kind = "python" if paragraph.startswith(">>>") else "text"
            lines += [f"```{kind}", *paragraph.split("\n"), "```", ""]
        else:
            parts = re.split(r"(`+[^`]+`+)", paragraph)
            lines += ["".join(p if p[:1] == "`" else re.sub(r"([\\*_\[\]<>#|$~`])", r"\\\1", p) for p in parts), ""]
    return lines


def write_commands(file: Path) -> None:
    """What `--help` says, of every command."""
    from pellucid.cli.app import COMMANDS, create_app

    lines = ["# Commands", ""]
    for name in COMMANDS:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            create_app()([name, "--help"])
        lines += [f"## {name}", "", "```text", said.getvalue().strip(), "```", ""]
    _write(file, lines)


def _write(file: Path, lines: list[str]) -> None:
    """Only where something changed, so that a page that stayed isn't read again."""
    content = "\n".join(lines)
    if not file.exists() or file.read_text() != content:
        file.write_text(content)
