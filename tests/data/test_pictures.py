"""One rule of orientation for header and pixels, whatever note says it; and pictures of other formats and depths."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data import load_data
from pellucid.data.framing import Framing
from pellucid.data.pictures import flattened, open_picture, picture_format
from pellucid.errors import PellucidError
from png_files import chunks, png

RNG = np.random.default_rng(1)
LYING = np.zeros((20, 40), np.uint8)  # the left quarter white, the top grey
LYING[:, :10], LYING[:5] = 255, 128


def exif(turned: int) -> bytes:
    notes = Image.Exif()
    notes[0x0112] = turned
    return notes.tobytes().removeprefix(b"Exif\0\0")


def xmp(turned: int) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{turned}"/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def note(kind: str, turned: int) -> tuple[bytes, bytes]:
    """The chunk of PNG that says how a picture lies."""
    if kind == "exif":
        return b"eXIf", exif(turned)
    if kind == "xmp":
        return b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(turned)
    profile = b"Exif\0\0" + exif(turned)
    text = f"\nexif\n{len(profile):8}\n{profile.hex()}\n".encode()
    return b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)


def upright(pixels: np.ndarray, turned: int) -> np.ndarray:
    """By EXIF's definition: where the first row and the first column of the stored picture lie."""
    return {
        1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1],
        5: pixels.T, 6: pixels[::-1].T, 7: pixels[::-1, ::-1].T, 8: pixels.T[::-1],
    }[turned]  # fmt: skip


@pytest.mark.parametrize("kind", ["exif", "profile", "xmp"])
@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind the pixels"])
@pytest.mark.parametrize("turned", range(1, 9))
def test_notes_of_png(tmp_path: Path, kind: str, behind: bool, turned: int) -> None:
    packed = io.BytesIO()
    Image.fromarray(LYING).save(packed, "PNG")
    parts = chunks(packed.getvalue())
    parts.insert(len(parts) - 1 if behind else 1, note(kind, turned))
    path = tmp_path / "x.png"
    path.write_bytes(png(parts))
    expected = upright(LYING, turned)
    assert picture_format(path) == (expected.shape, False)
    np.testing.assert_array_equal(np.asarray(open_picture(path)), expected)
    np.testing.assert_array_equal(Framing("own", 1, (8, 8)).read(path).pixels[0], expected)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "tif"])
@pytest.mark.parametrize("turned", [1, 2, 3, 4, 6, 8])
def test_notes_of_other_formats(tmp_path: Path, suffix: str, turned: int) -> None:
    path = tmp_path / f"x.{suffix}"
    how = {"quality": 95} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    notes = Image.Exif()
    notes[0x0112] = turned
    Image.fromarray(LYING).save(path, exif=notes, **how)
    expected = upright(LYING, turned)
    if suffix == "tif" and turned > 4:
        for read in (picture_format, open_picture):
            with pytest.raises(PellucidError, match=r"x\.tif: a TIFF that lies on its side"):
                read(path)
        return
    assert picture_format(path)[0] == expected.shape
    np.testing.assert_allclose(np.asarray(open_picture(path).convert("L")), expected, atol=40)


def test_a_damaged_note_says_nothing(tmp_path: Path) -> None:
    packed = io.BytesIO()
    Image.fromarray(LYING).save(packed, "PNG")
    parts = chunks(packed.getvalue())
    for content in (b"", b"MM", b"II*\0\xff\xff\xff\xff", exif(9), RNG.bytes(50)):
        (tmp_path / "x.png").write_bytes(png([parts[0], (b"eXIf", content), *parts[1:]]))
        assert picture_format(tmp_path / "x.png")[0] == (20, 40)
        np.testing.assert_array_equal(np.asarray(open_picture(tmp_path / "x.png")), LYING)


def test_formats_beside_png_and_jpeg(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (2, 6, 8, 3)).astype(np.uint8)
    for k, (name, suffix) in enumerate((("ant", "tif"), ("bee", "bmp"))):
        for part in ("train", "test"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.fromarray(pixels[k]).save(tmp_path / part / name / f"x.{suffix}")
            Image.fromarray(pixels[k]).save(tmp_path / part / name / "y.webp", lossless=True)
    data = load_data(tmp_path)
    np.testing.assert_array_equal(np.asarray(data.train.inputs), pixels.repeat(2, 0).transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("most", "white"), [(200, 255), (900, 1023), (4095, 4095), (9000, 16383), (60000, 65535)])
def test_wide_grey_keeps_its_levels(tmp_path: Path, most: int, white: int) -> None:
    values = RNG.integers(0, most + 1, (6, 8, 8)).astype(np.uint16)
    values[0, 0, 0] = most
    for k, name in enumerate(("ant", "bee")):
        for part, i in (("train", 2 * k), ("train", 2 * k + 1), ("test", 4 + k)):
            (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values[i]).save(tmp_path / part / name / f"{i}.{'png' if k else 'tif'}")
    data = load_data(tmp_path)
    seen = np.concatenate([np.asarray(data.train.inputs), np.asarray(data.test.inputs)])[:, 0]
    np.testing.assert_array_equal(seen, np.floor(values * (255 / white) + 0.5))  # one white for all of them
    assert data.train.notes == (f"grey of more than 8 bits: white is {white}, by the largest value of all",)
    assert data.train.framing is not None and data.train.framing.white == white
    floats = Image.fromarray((values[0] / white).astype(np.float32))
    np.testing.assert_array_equal(np.asarray(flattened(floats)), seen[0])
