"""`pellucid predict` for folders of pictures: answers as a table, CSV, JSON, or written below the pictures."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pellucid.cli.output import print_json, print_note, print_table
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.recipes import AnyModel
    from pellucid.recipes.predict_files import Answer
    from pellucid.tasks import Guess

Format = Literal["table", "csv", "json", "images"]

RANKS = ("1st", "2nd", "3rd", "4th", "5th")
_PLACES = 5  # of a probability
_LISTED = 20  # unreadable files
_SUFFIX = ".jpg"
_EVERY = 500  # pictures between two lines of progress where there is no terminal


@dataclass(frozen=True)
class Target:
    """How answers are given, and where.

    out: a file, with a suffix, for CSV and JSON, which are printed where there is none; else a folder for pictures.
    """

    form: Format
    out: Path | None

    @property
    def is_text(self) -> bool:
        """Whether the answers are text for programs."""
        return self.form in {"csv", "json"}

    def folder(self, usual: Path) -> Path:
        """Where pictures go."""
        return usual if self.out is None or (self.is_text and self.out.suffix) else self.out

    def check(self, images: Sequence[Path], roots: Sequence[Path]) -> None:
        """Raise PellucidError where what is to be written would replace an image, or what predict didn't make, or
        where pictures would lie in the folders that are asked about, as if they belonged to them.
        """
        from pellucid.files import check_own

        if self.out is None:
            return
        if not (self.is_text and self.out.suffix):
            place = self.out.resolve()
            for root in (path.resolve() for path in roots):
                if place == root or root in place.parents:
                    raise PellucidError(
                        f"{self.out}: lies in {root.name}/, whose pictures are asked about; expected another --out"
                    )
            return
        if self.out.resolve() in {image.resolve() for image in images}:
            raise PellucidError(f"{self.out}: is one of the images; expected another --out")
        check_own(self.out, b"image," if self.form == "csv" else b'"image', "predict")

    def write(self, columns: Sequence[str], rows: Sequence[Sequence[object]], objects: Any) -> None:
        """Rows under the columns' names as CSV, or the objects as JSON."""
        from pellucid.files import write_whole

        file = self.out if self.out is not None and self.out.suffix else None
        if file is None and self.form == "json":
            print_json(objects)
            return
        text = _csv(columns, rows) if self.form == "csv" else json.dumps(objects, indent=1, allow_nan=False) + "\n"
        if file is None:
            print(text, end="")
        else:
            write_whole(file, text.encode(errors="backslashreplace"))
            print_note(str(file))


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(columns)
    lines.writerows(rows)
    return text.getvalue()


def answer_folder(model: AnyModel, images: Sequence[Path], roots: Sequence[Path], top: int, target: Target) -> None:
    """Say what is on thousands of pictures, and at the end which files could not be read.

    roots: the folders that they lie in, below which written pictures have the same places. Raises PellucidError where
    none could be read.
    """
    from pellucid.recipes.predict_files import guess_files

    if target.form == "images" and target.out is None:
        raise PellucidError("--format images: expected --out, the folder that they are written to")
    if target.form == "images" and target.out is not None:
        check_pictures(images, [target.out / _place(image, roots) for image in images])
    answers: list[Answer] = []
    unread: list[Answer] = []
    with progress(len(images)) as advance:
        for answer in guess_files(model, images, top):
            advance()
            (unread if answer.error else answers).append(answer)
            if target.form == "images" and target.out is not None and not answer.error:
                _write_picture(model, answer, target.out / _place(answer.image, roots))
    check_read(answers, [answer.error for answer in unread])
    if target.is_text:
        target.write(*_rows(answers), _objects(answers, unread))
    elif target.form == "table":
        show_guesses([answer.image for answer in answers], [answer.guesses for answer in answers])
    else:
        print_note(f"{len(answers):,} pictures: {target.out}")
    list_unread([answer.error for answer in unread])


def readable(images: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """(those of the files that are pictures by their headers, what is wrong with the others)."""
    from pellucid.data.pictures import picture_format

    good, errors = [], []
    for image in images:
        try:
            picture_format(image)
            good.append(image)
        except PellucidError as error:
            errors.append(str(error))
    check_read(good, errors)
    return good, errors


def check_read(read: Sequence[object], errors: Sequence[str]) -> None:
    """Raise PellucidError where files could not be read, and none could."""
    if errors and not read:
        raise PellucidError(f"none of {len(errors)} files can be read: {errors[0]}")


def list_unread(errors: Sequence[str]) -> None:
    """The files that could not be read, on standard error, so that CSV and JSON stay whole."""
    if not errors:
        return
    lines = [f"{len(errors):,} files could not be read:", *(f"  {error}" for error in errors[:_LISTED])]
    if len(errors) > _LISTED:
        lines.append(f"  and {len(errors) - _LISTED:,} more")
    print("\n".join(lines), file=sys.stderr)


def _rows(answers: Sequence[Answer]) -> tuple[list[str], list[list[object]]]:
    """(columns, a row a picture): image, class, probability, and so on for the next likeliest."""
    count = max(len(answer.guesses) for answer in answers)
    columns = [f"{name}{'' if i == 0 else i + 1}" for i in range(count) for name in ("class", "probability")]
    rows = [
        [answer.image, *(cell for g in answer.guesses for cell in (g.name, f"{g.probability:.{_PLACES}f}"))]
        for answer in answers
    ]
    return ["image", *columns], rows


def _objects(answers: Sequence[Answer], unread: Sequence[Answer]) -> list[dict[str, object]]:
    """An object a picture, and behind them one for each that could not be read."""
    return [as_json(answer.image, answer.guesses) for answer in answers] + [
        {"image": str(answer.image), "error": answer.error} for answer in unread
    ]


def as_json(image: Path, guesses: Sequence[Guess]) -> dict[str, object]:
    """A picture and its likeliest classes."""
    best = [{"class": guess.name, "probability": guess.probability} for guess in guesses]
    return {"image": str(image), "guesses": best}


def show_guesses(images: Sequence[Path], found: Sequence[Sequence[Guess]]) -> None:
    """A line an image."""
    count = max(map(len, found))
    names = [RANKS[i] if i < len(RANKS) else f"{i + 1}th" for i in range(count)]
    columns = [column for name in names for column in (name, f"{name} %")]
    print_table(
        ("image", *columns),
        [(str(image), *_cells(guesses)) for image, guesses in zip(images, found, strict=True)],
        right=[column for column in columns if column.endswith("%")],
        wrapped="image",
    )


def _cells(guesses: Sequence[Guess]) -> list[str]:
    return [cell for guess in guesses for cell in (guess.name, f"{100 * guess.probability:.2f}")]


def check_pictures(images: Sequence[Path], targets: Sequence[Path]) -> None:
    """Raise PellucidError where a captioned picture would replace an image, or what predict didn't make."""
    from pellucid.files import check_own
    from pellucid.tasks.mask_pictures import MAKER

    taken = {image.resolve() for image in images}
    for target in targets:
        if target.resolve() in taken:
            raise PellucidError(f"{target}: is one of the images; expected another --out")
        check_own(target, MAKER.encode(), "predict")


def _write_picture(model: AnyModel, answer: Answer, path: Path) -> None:
    """The picture with what is said of it below."""
    from pellucid.files import write_whole
    from pellucid.tasks.captioned import captioned
    from pellucid.tasks.mask_pictures import MAKER

    lines = [f"{guess.name}: {100 * guess.probability:.1f} %" for guess in answer.guesses]
    file = io.BytesIO()
    captioned(model.framing.open(answer.image), lines).save(file, "JPEG", quality=90, comment=MAKER)
    write_whole(path, file.getvalue())


def _place(image: Path, roots: Sequence[Path]) -> Path:
    """Where the picture of an image lies below the folder for all."""
    for root in roots:
        if image.is_relative_to(root):
            return image.relative_to(root).with_name(image.name + _SUFFIX)
    return Path(image.name + _SUFFIX)


@contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Within the block, what is called after each picture; a terminal shows a bar, all else gets a line now and then.

    Both on standard error.
    """
    from rich.console import Console
    from rich.progress import Progress

    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if done % _EVERY == 0:
            print(f"{done:,} of {total:,} pictures", file=sys.stderr, flush=True)

    if not sys.stderr.isatty():
        yield count
        return
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("pictures", total=total)
        yield lambda: bar.advance(task)
