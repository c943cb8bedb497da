"""PNG and JPEG files as arrays.

A file of some hundred kilobytes may hold a picture of gigabytes. So there is a most of pixels, checked by what the
header says, and what is done to a picture before it's small is done in strips and in whole numbers.
"""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".png", ".jpg", ".jpeg"}
FORMATS = ("PNG", "JPEG")  # Pillow would read others, some by calling programs, whatever the suffix
MOST_PIXELS = 110_000_000  # of a picture; with four bytes each, and its copy in three, less than a gigabyte
_STRIP = 1 << 20  # pixels that are worked on at a time
_TAIL = 64  # bytes
_ENDS = (b"\xff\xd9", b"IEND")  # what whole files end with, JPEG and PNG
_ORIENTATION = 0x0112  # the EXIF tag; by these values height and width are exchanged
_SIDEWAYS = {5, 6, 7, 8}
_COLOURLESS = {"1", "L", "LA", "La", "I", "F"}  # Pillow's modes; those of 16 bits begin with "I;16"


_opening = threading.Lock()  # Python's filters of warnings belong to all threads


@contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    """Turns what Pillow raises over a bad file, which may be almost anything, into one line that names it."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError:
        raise PellucidError(f"{path}: not an image, expected a PNG or JPEG file") from None
    except Image.DecompressionBombError:
        raise PellucidError(f"{path}: too many pixels, expected at most {MOST_PIXELS:,}") from None
    except PellucidError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PellucidError(f"{path}: cannot be read as an image ({reason})") from None


def _opened(path: str | Path) -> "Image":
    """The picture of a file whose header was read, and whose pixels are to be. Raises for one with too many."""
    from PIL import Image

    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a limit of our own
        picture = Image.open(path, formats=FORMATS)
    W, H = picture.size
    if W * H > MOST_PIXELS:
        picture.close()
        raise PellucidError(f"{path}: {H}x{W} are {W * H:,} pixels, expected at most {MOST_PIXELS:,}")
    return picture


def open_picture(path: str | Path) -> "Image":
    """The picture of a file, upright (EXIF).

    Raises PellucidError, naming the file, where it is missing, no picture, damaged or truncated.
    """
    from PIL import ImageOps

    with _reading(path), _opened(path) as picture:
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode in {"P", "PA"} and picture.palette is None:
            raise ValueError("it has no palette")
        flattened(picture.crop((0, 0, 1, 1)))  # where it has odd notes of transparency, Pillow says so here
        return picture


def picture_format(path: str | Path) -> tuple[Pair, bool]:
    """((H, W), whether it has colours) of a file, from its header. Raises as `open_picture` does.

    The pixels are read only where the file doesn't end as such files do, which may be because it was cut off.
    """
    with _reading(path), _opened(path) as picture:
        W, H = picture.size
        with Path(path).open("rb") as file:
            file.seek(-min(_TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            tail = file.read()
        if not any(end in tail for end in _ENDS):
            picture.load()  # may be cut off, and then says so
        # of a PNG without this note, getexif would read the pixels
        noted = picture.format == "JPEG" or "exif" in picture.info
        sideways = noted and picture.getexif().get(_ORIENTATION, 1) in _SIDEWAYS
        return (W, H) if sideways else (H, W), is_colour(picture)


def is_colour(picture: "Image") -> bool:
    """Whether a picture has colours, by its mode or its palette."""
    if picture.mode in {"P", "PA"}:
        palette = np.array((picture.getpalette() or []), np.uint8).reshape(-1, 3)
        return bool((palette != palette[:, :1]).any())
    return picture.mode not in _COLOURLESS and not picture.mode.startswith("I;16")


def flattened(picture: "Image") -> "Image":
    """The picture in mode L or RGB, 8 bits: 16-bit values scaled, transparent parts on a contrasting ground.

    That ground is white, or black where what stands on it is light.
    """
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_wide(picture)
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


def _from_wide(picture: "Image") -> "Image":
    """A picture of 16-bit values (modes I;16, I and F) in mode L."""
    from PIL import Image

    brightest = max(float(np.asarray(strip).max(initial=0)) for _, strip in _strips(picture))
    white = 65535 if brightest > 255 or picture.mode.startswith("I;16") else 255
    flat = Image.new("L", picture.size)
    for top, strip in _strips(picture):
        values = np.asarray(strip).astype(np.float32).clip(0, white)
        flat.paste(Image.fromarray((values * (255 / white) + 0.5).astype(np.uint8)), (0, top))
    return flat


def read_picture(path: str | Path, channels: int, size: Pair) -> Array:
    """The pixels of a file, (H, W, channels) uint8, brought to size (H, W) by area; its shape isn't kept.

    channels: 1 for grey, 3 for colour.
    """
    from PIL import Image

    picture, mode = flattened(open_picture(path)), "L" if channels == 1 else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    H, W = size
    if picture.size != (W, H):
        picture = picture.resize((W, H), Image.Resampling.BILINEAR)  # widens its filter where it shrinks
    return np.asarray(picture).reshape(H, W, channels)
