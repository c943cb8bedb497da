"""Pages for people to look at: one HTML file that holds its pictures, and needs nothing else."""

import base64
from collections.abc import Sequence
from html import escape

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 62em; padding: 0 1em; color: #1b1b1b;
       background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin: 2em 0 .3em; border-top: 1px solid #ccc; padding-top: .8em }
figure { display: inline-block; margin: .4em 1.2em .8em 0; vertical-align: top }
figcaption { font-size: .87em; color: #444; max-width: 60em }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(9em, 1fr)); gap: .8em }
.grid figure { margin: 0 } .grid figcaption { overflow-wrap: anywhere }
img { max-width: 100%; image-rendering: pixelated }
table { border-collapse: collapse; margin: .6em 0 } th, td { padding: .15em .8em; text-align: right }
th:first-child, td:first-child { text-align: left } th { border-bottom: 1px solid #888 }
"""


class Page:
    """Headings, text, tables and pictures, in the order in which they are added."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.parts: list[str] = []

    def heading(self, text: str) -> None:
        """Start a section."""
        self.parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self.parts.append(f"<p>{escape(text)}</p>")

    def picture(self, png: bytes, caption: str, *, width: int | None = None) -> None:
        """A PNG file's content with what is written under it, which also stands in for it. width: in pixels."""
        data, text = base64.b64encode(png).decode(), escape(caption, quote=True)
        size = f' width="{width}"' if width else ""
        image = f'<img src="data:image/png;base64,{data}" alt="{text}"{size}>'
        self.parts.append(f"<figure>{image}<figcaption>{text}</figcaption></figure>")

    def grid(self, pictures: Sequence[tuple[bytes, str]]) -> None:
        """PNG files' contents with their captions, in rows and columns of one width."""
        cells = Page("")
        for png, caption in pictures:
            cells.picture(png, caption)
        self.parts.append(f'<div class="grid">{"".join(cells.parts)}</div>')

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under the columns' names."""
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        self.parts.append(f"<table><tr>{head}</tr>{body}</table>")

    def html(self) -> bytes:
        """The file's content."""
        title, body = escape(self.title), "\n".join(self.parts)
        head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        content = f"<head>{head}</head>\n<body><h1>{title}</h1>\n{body}\n</body>"
        return f'<!doctype html>\n<html lang="en">{content}</html>\n'.encode(errors="replace")
