"""The site that is made of these pages: `sphinx-build -W docs build/docs`."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.inspect import stringify_signature

sys.path.insert(0, str(Path(__file__).parent))

from reference import write_commands, write_rooms

from pellucid import __version__

project, author = "Pellucid", "The Pellucid developers"
copyright = "the Pellucid developers"  # noqa: A001 (Sphinx's name)
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["build"]
html_theme = "furo"
html_title = f"Pellucid {version}"
html_show_sphinx = False
html_copy_source = False
html_static_path, html_css_files = ["site"], ["site.css"]
pygments_style, pygments_dark_style = "friendly", "monokai"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 88
toc_object_entries = False  # thousands of names in every page's sidebar

ARRAY = re.compile(
    r"(?:~?numpy\.)?ndarray\[tuple\[(?:~?typing\.)?Any, \.\.\.\], (?:~?numpy\.)?dtype\[(?:~?typing\.)?Any\]\]"
)
EXAMPLE = re.compile(r"^( *)>>> ")


def plain(app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    """Docstrings are plain text: their paragraphs as they are, what is indented after a colon as code.

    Names between backquotes become code, and nothing else is markup; so no docstring can break the site.
    """
    paragraphs = re.split(r"\n\s*\n", textwrap.dedent("\n".join(lines)).strip("\n"))
    made: list[str] = []
    for paragraph in paragraphs:
        if EXAMPLE.match(paragraph):
            made += [*textwrap.dedent(paragraph).split("\n"), ""]
        elif paragraph.startswith("    "):
            made += ["::", "", *paragraph.split("\n"), ""]
        else:
            made += [*_escaped(paragraph), ""]
    lines[:] = made


def call(
    app: Sphinx, what: str, name: str, found: Any, options: object, signature: str, returned: str
) -> tuple[str, str] | None:
    """How something is called: layers by what their `__init__` takes; arrays by that name."""
    from pellucid.layers import Layer

    if isinstance(found, type) and issubclass(found, Layer):
        own = found.__init__ is not object.__init__
        signature = (
            stringify_signature(inspect.signature(found.__init__), unqualified_typehints=True) if own else "()"
        )
        signature = signature.replace("(self, ", "(").replace("(self)", "()").removesuffix(" -> None")
    return tuple(part and ARRAY.sub("Array", part) for part in (signature, returned))  # type: ignore[return-value]


def _escaped(paragraph: str) -> list[str]:
    """A paragraph without markup, but for names in backquotes; lines that hang below the first stay lines."""
    parts = re.split(r"`+([^`]+)`+", paragraph)
    text = "".join(f"``{part}``" if i % 2 else re.sub(r"([\\*|_`])", r"\\\1", part) for i, part in enumerate(parts))
    rows = text.split("\n")
    if all(row == row.lstrip() for row in rows[1:]) and not re.match(r"[-+.]|\w+[.)] |:", rows[0]):
        return rows
    return [f"| {row}" for row in rows]


def _write_reference(app: Sphinx) -> None:
    """The pages that follow from the code: one a room, and the commands."""
    made = Path(app.srcdir) / "api" / "made"
    made.mkdir(exist_ok=True)
    write_rooms(made)
    write_commands(made / "commands.md")


def setup(app: Sphinx) -> dict[str, Any]:
    """Hang in what this site does by itself."""
    app.connect("builder-inited", _write_reference)
    app.connect("autodoc-process-docstring", plain)
    app.connect("autodoc-process-signature", call)
    return {"parallel_read_safe": True}
