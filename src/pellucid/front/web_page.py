"""A network's page, as a notebook shows it and a file keeps it."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

from pellucid.files import write_whole

HEIGHT = 900  # pixels of the frame in a notebook


@dataclass(frozen=True, eq=False)
class WebPage:
    """One HTML file that shows a network at work; in a notebook it is there to be used.

    content: the file, with everything in it.
    """

    content: bytes

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all; a browser opens it without a server."""
        write_whole(Path(path), self.content)

    def __repr__(self) -> str:
        return f"WebPage: {len(self.content) / 1e6:.2f} MB"

    def _repr_html_(self) -> str:
        inside = html.escape(self.content.decode())
        return f'<iframe title="the network at work" srcdoc="{inside}" width="100%" height="{HEIGHT}"></iframe>'
