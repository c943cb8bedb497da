"""PNG and JPEG files as arrays."""

import os
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
_TAIL = 64  # bytes
_ENDS = (b"\xff\xd9", b"IEND")  # what whole files end with, JPEG and PNG
_ORIENTATION = 0x0112  # the EXIF tag; by these values height and width are exchanged
_SIDEWAYS = {5, 6, 7, 8}
_COLOURLESS = {"1", "L", "LA", "La", "I", "F"}  # Pillow's modes; those of 16 bits begin with "I;16"


@contextmanager
def _reading(path: str | Path) -> Iterator[None]:
    """Turns what Pillow raises over a bad file into one line that names it."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except UnidentifiedImageError:
        raise PellucidError(f"{path}: not an image, expected a PNG or JPEG file") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise PellucidError(f"{path}: too many pixels, expected at most {most}") from None
    except (OSError, SyntaxError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PellucidError(f"{path}: cannot be read as an image ({reason})") from None


def open_picture(path: str | Path) -> "Image":
    """The picture of a file, upright (EXIF).

    Raises PellucidError, naming the file, where it is missing, no picture, damaged or truncated.
    """
    from PIL import Image, ImageOps

    with _reading(path), Image.open(path, formats=FORMATS) as picture:
        return ImageOps.exif_transpose(picture)


def picture_format(path: str | Path) -> tuple[Pair, bool]:
    """((H, W), whether it has colours) of a file, from its header. Raises as `open_picture` does.

    The pixels are read only where the file doesn't end as such files do, which may be because it was cut off.
    """
    from PIL import Image

    with _reading(path), Image.open(path, formats=FORMATS) as picture:
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
        return picture.convert(target)
    layered = picture.convert("RGBA")
    cover = np.asarray(layered.getchannel("A"), np.float32)
    light = np.asarray(layered.convert("L"), np.float32)
    drawn = (light * cover).sum() / max(1.0, float(cover.sum()))
    ground = Image.new("RGBA", layered.size, "white" if drawn < 128 else "black")
    return Image.alpha_composite(ground, layered).convert(target)


def _from_wide(picture: "Image") -> "Image":
    """A picture of 16-bit values (modes I;16, I and F) in mode L."""
    from PIL import Image

    values = np.asarray(picture).astype(np.float32)
    white = 65535 if values.max(initial=0) > 255 or picture.mode.startswith("I;16") else 255
    return Image.fromarray((values.clip(0, white) * (255 / white) + 0.5).astype(np.uint8))


def read_picture(path: str | Path, channels: int, size: Pair) -> Array:
    """The pixels of a file, (H, W, channels) uint8, brought to size (H, W) by area; its shape isn't kept.

    channels: 1 for grey, 3 for colour.
    """
    from PIL import Image

    picture = flattened(open_picture(path)).convert("L" if channels == 1 else "RGB")
    H, W = size
    if picture.size != (W, H):
        picture = picture.resize((W, H), Image.Resampling.BILINEAR)  # widens its filter where it shrinks
    return np.asarray(picture).reshape(H, W, channels)
