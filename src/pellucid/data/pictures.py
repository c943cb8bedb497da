"""Picture files as arrays: PNG, JPEG, TIFF, WebP and BMP.

A file of some hundred kilobytes may hold a picture of gigabytes. So there is a most of pixels, checked by what the
header says, and what is done to a picture before it's small is done in strips and in whole numbers.
"""

import io
import os
import threading
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pellucid.arguments import checked_but
from pellucid.data.room import decoding
from pellucid.errors import PellucidError, PictureError, at_once
from pellucid.ops.arrays import Array, Pair
from pellucid.ops.cores import available_cores

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp"}
READ = "PNG, JPEG, TIFF, WebP or BMP"
OTHER_SUFFIXES = {
    *(".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".jfif", ".svg", ".psd", ".pdf", ".ico", ".tga"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".dcm", ".dng", ".cr2", ".nef", ".arw", ".npy"),
}
"""Of files that hold pictures, as people have them, and are not read."""
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")  # Pillow would read others, some by calling programs
MOST_PIXELS = 110_000_000  # of a picture; with four bytes each, and its copy in three, less than a gigabyte
MOST_OF = {"WEBP": 50_000_000}  # whose decoder keeps two canvases of its own: 16 bytes a pixel at once
_STRIP = 1 << 20  # pixels that are worked on at a time
_TAIL = 64  # bytes
_ENDS = (b"\xff\xd9", b"IEND")  # what whole files end with, JPEG and PNG
_ORIENTATION = 0x0112  # the EXIF tag
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # by its values, what Pillow's `transpose` has to do
_SIDEWAYS = {5, 6, 7, 8}  # those by which height and width are exchanged
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NOTES = {b"IHDR", b"eXIf", b"tEXt", b"zTXt", b"iTXt"}  # chunks of PNG that may say how the picture lies
_MOST_COLOURS = 256  # of a palette
_LONGEST_NOTE = 1 << 24  # bytes
_WHITES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # of 8, 10, 12, 14 and 16 bits
_COLOURLESS = {"1", "L", "LA", "La", "I", "F"}  # Pillow's modes; those of 16 bits begin with "I;16"

_opening = threading.Lock()  # Python's filters of warnings belong to all threads


@contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    """Turns what Pillow raises over a bad file, which may be almost anything, into one line that names it."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError:
        raise PictureError(f"{path}: not an image, expected a PNG or JPEG file (or TIFF, WebP, BMP)") from None
    except Image.DecompressionBombError:
        raise PictureError(f"{path}: too many pixels, expected at most {MOST_PIXELS:,}") from None
    except PellucidError as error:
        raise PictureError(str(error)) from None
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PictureError(f"{path}: cannot be read as an image ({reason})") from None


def _opened(path: str | Path) -> "Image":
    """The picture of a file whose header was read, and whose pixels are to be. Raises for one with too many."""
    from PIL import Image

    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a limit of our own
        picture = Image.open(path, formats=FORMATS)
    W, H = picture.size
    pixels, most = W * H, MOST_OF.get(picture.format or "", MOST_PIXELS)
    if pixels > most:
        picture.close()
        raise PellucidError(f"{path}: {H}x{W} are {pixels:,} pixels, expected at most {most:,}")
    return picture


def open_picture(path: str | Path, least: Pair | None = None, take: Callable[[int], None] | None = None) -> "Image":
    """The picture of a file, upright by its own note.

    least: (H, W) that are needed; a JPEG that is more than twice as large may come smaller, its blocks of 8x8 pixels
    made of 4x4, 2x2 or one, which is quicker, but no smaller than twice that. take: what waits for room for so many
    pixels, see `room.decoding`, where several threads read pictures.
    Raises PellucidError, naming the file, where it is missing, no picture, damaged or truncated.
    """
    from PIL import Image

    with _reading(path), _opened(path) as picture:
        turned = orientation(picture, Path(path))
        whole = picture.width * picture.height
        if least is not None:
            height, width = least[::-1] if turned in _SIDEWAYS else least
            picture.draft(None, (2 * width, 2 * height))
        if take is not None:  # a progressive JPEG is there whole before it's made smaller
            take(whole if picture.info.get("progressive") else picture.width * picture.height)
        picture.load()
        alphas = picture.info.get("transparency")
        if isinstance(alphas, bytes) and len(alphas) > _MOST_COLOURS:
            raise PellucidError(f"{path}: cannot be read as an image (more transparent colours than a palette has)")
        if picture.mode in {"P", "PA"} and picture.palette is None:
            raise ValueError("it has no palette")
        flattened(picture.crop((0, 0, 1, 1)))  # where it has odd notes of transparency, Pillow says so here
        return picture.transpose(Image.Transpose(_TURNS[turned])) if turned in _TURNS else picture


def picture_format(path: str | Path) -> tuple[Pair, bool]:
    """((H, W), whether it has colours) of a file, from its header. Raises as `open_picture` does.

    The pixels are read only where the file doesn't end as such files do, which may be because it was cut off.
    """
    with _reading(path), decoding() as take, _opened(path) as picture:
        W, H = picture.size
        with Path(path).open("rb") as file:
            file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            tail = file.read()
        sideways = orientation(picture, Path(path)) in _SIDEWAYS
        if not any(end in tail for end in _ENDS):
            take(W * H)
            picture.load()  # may be cut off, and then says so
        return (W, H) if sideways else (H, W), is_colour(picture)


def picture_formats(paths: Sequence[str | Path]) -> list[tuple[Pair, bool]]:
    """`picture_format` of each file. Raises PellucidError that names the files that are no pictures, all at once."""

    def look(path: str | Path) -> tuple[Pair, bool] | PellucidError:
        try:
            return picture_format(path)
        except PellucidError as error:
            return error

    with ThreadPoolExecutor(available_cores()) as pool:
        looks = list(pool.map(look, paths))
    errors = [str(found) for found in looks if isinstance(found, PellucidError)]
    if errors:
        raise PellucidError(at_once(errors))
    return [found for found in looks if not isinstance(found, PellucidError)]


def orientation(picture: "Image", path: Path) -> int:
    """How a picture lies, 1 to 8 as EXIF counts, by the notes in its file; 1, upright, where they don't say.

    The notes are EXIF, its raw profile, and XMP, in this order, wherever in the file they stand. One that is damaged
    says nothing. A TIFF is set upright by its reader; one that lies on its side is refused, as Pillow's turns some of
    those the wrong way.
    """
    if isinstance(tags := getattr(picture, "tag_v2", None), Mapping) and picture.format == "TIFF":
        if tags.get(_ORIENTATION) in _SIDEWAYS:
            raise PellucidError(f"{path}: a TIFF that lies on its side; set it upright, or save it as PNG")
        return 1
    return _noted(lambda: _with_all_notes(path) if picture.format == "PNG" else picture)


def _noted(opened: Callable[[], "Image"]) -> int:
    """How a picture lies by the notes in it, wherever it comes from."""
    from PIL import Image

    try:
        with _opening, warnings.catch_warnings(action="ignore"):
            found = Image.Image.getexif(opened()).get(_ORIENTATION, 1)  # not PNG's own, which reads the pixels
    except Exception:  # which Pillow raises of any kind, as over pixels
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def upright(picture: "Image") -> "Image":
    """A picture that somebody has opened, as its own notes say that it lies, as `open_picture` gives its file's.

    Raises PellucidError where its pixels can't be read.
    """
    from PIL import Image

    try:
        picture.load()  # a PNG's notes may stand behind its pixels
    except Exception as error:  # which Pillow raises of any kind
        raise PictureError(f"picture: cannot be read as an image ({error or type(error).__name__})") from None
    turned = _noted(lambda: picture)
    return picture.transpose(Image.Transpose(_TURNS[turned])) if turned in _TURNS else picture


def _with_all_notes(path: Path) -> "Image":
    """A PNG without its pixels, before which all notes stand, also those that stood behind them."""
    from PIL import Image

    chunks = [_SIGNATURE]
    with path.open("rb") as file:
        file.seek(len(_SIGNATURE))
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            length = int.from_bytes(head[:4], "big")
            if head[4:] in _NOTES and length <= _LONGEST_NOTE:
                chunks += [head, file.read(length + 4)]
            else:
                file.seek(length + 4, os.SEEK_CUR)
    chunks += [b"\0\0\0\0IDAT", zlib.crc32(b"IDAT").to_bytes(4, "big")]
    return Image.open(io.BytesIO(b"".join(chunks)), formats=("PNG",))


def is_colour(picture: "Image") -> bool:
    """Whether a picture has colours, by its mode or its palette."""
    if picture.mode in {"P", "PA"}:
        palette = np.array((picture.getpalette() or []), np.uint8).reshape(-1, 3)
        return bool((palette != palette[:, :1]).any())
    return picture.mode not in _COLOURLESS and not picture.mode.startswith("I;16")


def is_wide(picture: "Image") -> bool:
    """Whether a picture's values have more than 8 bits."""
    return picture.mode.startswith("I") or picture.mode == "F"


def wide_range(paths: Iterable[str | Path]) -> float | None:
    """What white is in pictures of more than 8 bits: the least bit depth that holds all their values.

    None where none of the files is one. So 12 bits that a camera keeps in 16 are no near black.
    """
    most = None
    for path in paths:
        with _reading(path), _opened(path) as picture:
            if is_wide(picture):
                most = max(most or 0.0, white_of(picture))
    return most


def wide_note(white: float | None) -> list[str]:
    """What is to be said of pictures of more than 8 bits."""
    return [] if white is None else [f"grey of more than 8 bits: white is {white:g}, by the largest value of all"]


def white_of(picture: "Image") -> float:
    """The least of 1 (for fractions), 255, 1023, 4095, 16383 and 65535 that a wide picture's values don't exceed."""
    most = max(float(np.fmax.reduce(np.asarray(strip), axis=None, initial=0)) for _, strip in _strips(picture))
    whites = (*((1.0,) if picture.mode == "F" else ()), *_WHITES)
    return next((white for white in whites if most <= white), _WHITES[-1])


def flattened(picture: "Image", white: float | None = None) -> "Image":
    """The picture in mode L or RGB, 8 bits: wider values scaled, transparent parts on a contrasting ground.

    white: of wider values, by default the picture's own; see `white_of`. That ground is white, or black where what
    stands on it is light.
    """
    from PIL import Image

    if is_wide(picture):
        return _from_wide(picture, white_of(picture) if white is None else white)
    target = "RGB" if is_colour(picture) else "L"
    if not picture.has_transparency_data:
        return picture if picture.mode == target else picture.convert(target)
    if picture.mode in {"RGBA", "LA"}:
        least, most = picture.getchannel("A").getextrema()
        if least == 255 or most == 0:  # nothing shows through, or nothing is there
            return picture.convert(target) if least == 255 else Image.new(target, picture.size, "white")
    covers, lights = 0, 0
    for _, strip in _strips(picture):
        layered = strip.convert("RGBA")
        cover, light = np.asarray(layered.getchannel("A"), np.uint32), np.asarray(layered.convert("L"), np.uint32)
        covers, lights = covers + int(cover.sum()), lights + int((light * cover).sum(dtype=np.uint64))
    ground = "white" if lights < 128 * max(1, covers) else "black"
    flat = Image.new(target, picture.size)
    for top, strip in _strips(picture):
        layered = strip.convert("RGBA")
        flat.paste(Image.alpha_composite(Image.new("RGBA", strip.size, ground), layered).convert(target), (0, top))
    return flat


def _strips(picture: "Image") -> Iterator[tuple[int, "Image"]]:
    """The picture in strips of whole rows, each with its first row's number."""
    rows = max(1, _STRIP // picture.width)
    for top in range(0, picture.height, rows):
        yield top, picture.crop((0, top, picture.width, min(top + rows, picture.height)))


def _from_wide(picture: "Image", white: float) -> "Image":
    """A picture of wide values (modes I;16, I and F) in mode L."""
    from PIL import Image

    flat = Image.new("L", picture.size)
    for top, strip in _strips(picture):
        values = np.nan_to_num(np.asarray(strip).astype(np.float32), nan=0.0).clip(0, white)
        flat.paste(Image.fromarray((values * (255 / white) + 0.5).astype(np.uint8)), (0, top))
    return flat


@checked_but("path")
def read_picture(path: str | Path, channels: int, size: Pair) -> Array:
    """The pixels of a file, (H, W, channels) uint8, brought to size (H, W) by area; its shape isn't kept.

    path: of the file. channels: 1 for grey, 3 for colour.

    >>> from PIL import Image
    >>> Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save("black.png")
    >>> pl.data.read_picture("black.png", 3, (15, 20)).shape
    (15, 20, 3)
    """
    from PIL import Image

    picture, mode = flattened(open_picture(path)), "L" if channels == 1 else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    H, W = size
    if picture.size != (W, H):
        picture = picture.resize((W, H), Image.Resampling.BILINEAR)  # widens its filter where it shrinks
    return np.asarray(picture).reshape(H, W, channels)
