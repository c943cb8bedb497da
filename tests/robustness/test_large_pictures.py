"""Small files of large pictures: within bounds of memory, or refused by a number."""

import struct
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data.framing import Framed, Framing
from pellucid.data.pictures import MOST_OF, MOST_PIXELS, flattened, open_picture, picture_format, wide_range
from pellucid.data.prepare import prepare_character
from pellucid.errors import PellucidError


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def blank_png(height: int, width: int, samples: int = 4, depth: int = 8) -> bytes:
    """All zeros, row by row compressed."""
    kind = {1: 0, 3: 2, 4: 6}[samples]
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + width * samples * depth // 8)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("read", [picture_format, open_picture, prepare_character])
@pytest.mark.parametrize("side", [13_300, 20_000, 1_000_000])
def test_too_many_pixels_are_refused_by_their_header(tmp_path: Path, read: object, side: int) -> None:
    path = tmp_path / "x.png"
    content = blank_png(1, 1)
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    path.write_bytes(content[:8] + chunk(b"IHDR", header) + content[33:])
    with pytest.raises(PellucidError, match=f"{MOST_PIXELS:,}"):
        read(path)  # type: ignore[operator]


def test_webp_which_needs_more_memory_a_pixel_may_have_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 108 million pixels, 300 kB, took 1.75 GB."""
    assert MOST_OF["WEBP"] * 16 < 1e9
    monkeypatch.setitem(MOST_OF, "WEBP", 255)
    for name in ("a.png", "a.webp"):
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    assert open_picture(tmp_path / "a.png").size == (16, 16)
    with pytest.raises(PellucidError, match=r"a\.webp: 16x16 are 256 pixels, expected at most 255"):
        open_picture(tmp_path / "a.webp")


@pytest.mark.parametrize(("samples", "depth"), [(4, 8), (4, 16), (1, 16)])
def test_no_copy_in_floats_is_made_of_a_large_picture(tmp_path: Path, samples: int, depth: int) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(blank_png(4000, 4000, samples, depth))
    tracemalloc.start()
    try:
        with pytest.raises(PellucidError, match="the image is blank"):
            prepare_character(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # 1000x1000 in float64 three channels and some of those, and strips; one float32 copy of all would be 64 MB more
    assert peak < 150e6


def test_strips_are_the_picture() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1501, 1402, 4)).astype(np.uint8)
    picture = Image.fromarray(pixels)
    light = np.asarray(picture.convert("L"), np.float64)
    cover = pixels[..., 3].astype(np.float64)
    ground = Image.new("RGBA", picture.size, "white" if (light * cover).sum() / cover.sum() < 128 else "black")
    expected = Image.alpha_composite(ground, picture).convert("RGB")
    np.testing.assert_array_equal(np.asarray(flattened(picture)), np.asarray(expected))
    wide = rng.integers(0, 65536, (1501, 1402)).astype(np.uint16)
    found = np.asarray(flattened(Image.fromarray(wide)))
    np.testing.assert_array_equal(found, np.floor(wide.astype(np.float32) * (255 / 65535) + 0.5).astype(np.uint8))


def test_what_is_wholly_covered_or_wholly_empty_is_what_strips_give() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 4)).astype(np.uint8)
    for alpha in (0, 255):
        pixels[..., 3] = alpha
        picture = Image.fromarray(pixels)
        found = np.asarray(flattened(picture))
        ground = Image.new("RGBA", picture.size, "white")
        np.testing.assert_array_equal(found, np.asarray(Image.alpha_composite(ground, picture).convert("RGB")))


def test_more_transparent_colours_than_a_palette_has(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("P", (5, 4)).save(path)
    content, place = path.read_bytes(), path.read_bytes().index(b"IDAT") - 4
    path.write_bytes(content[:place] + chunk(b"tRNS", bytes(300)) + content[place:])
    with pytest.raises(PellucidError, match=r"x\.png: cannot be read as an image \(more transparent colours"):
        open_picture(path)


@pytest.mark.parametrize("turned", [1, 6])
def test_framing_makes_no_copy_in_floats_either(tmp_path: Path, turned: int) -> None:
    pixels = np.zeros((3000, 4000), np.uint16)
    pixels[0, 0] = 4095
    notes = Image.Exif()
    notes[0x0112] = turned
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=notes)
    framing = Framing("stretch", 1, (30, 40))
    tracemalloc.start()
    try:
        framed = framing.read(tmp_path / "x.png")
        assert wide_range([tmp_path / "x.png"]) == 4095
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert framed.size == ((3000, 4000) if turned == 1 else (4000, 3000))
    assert peak < 20e6  # strips of a million pixels in float32


def test_a_picture_of_a_palette_that_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    content = blank_png(4, 4, samples=1)
    path.write_bytes(content[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 3, 0, 0, 0)) + content[33:])
    with pytest.raises(PellucidError, match=r"x\.png: cannot be read as an image \(it has no palette\)"):
        open_picture(path)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_photograph_that_is_read_smaller_takes_less_room(tmp_path: Path, progressive: bool) -> None:
    Image.new("RGB", (1600, 1200)).save(tmp_path / "x.jpg", progressive=progressive)
    taken: list[int] = []
    assert open_picture(tmp_path / "x.jpg", (60, 80), taken.append).size == (200, 150)
    open_picture(tmp_path / "x.jpg", None, taken.append)
    assert taken == [1600 * 1200 if progressive else 200 * 150, 1600 * 1200]


def test_threads_decode_no_more_at_once_than_one_picture_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of 8 threads would have its own 100 megapixels else: gigabytes."""
    for number in range(8):
        (tmp_path / f"{number}.png").write_bytes(blank_png(500, 500))
    monkeypatch.setattr("pellucid.data.room.MOST_AT_ONCE", 600_000)  # two of them and a half
    now, most, counting = 0, 0, threading.Lock()
    see = Framing.see

    def slowly(framing: Framing, picture: Image.Image, source: str) -> Framed:
        nonlocal now, most
        with counting:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        try:
            return see(framing, picture, source)
        finally:
            with counting:
                now -= 1

    monkeypatch.setattr(Framing, "see", slowly)
    framing = Framing("stretch", 3, (8, 8))
    files = [tmp_path / f"{number}.png" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(framing.read, files))
    assert most == 2
    monkeypatch.setattr("pellucid.data.room.MOST_AT_ONCE", 1)  # one by one, and none waits for ever
    most = 0
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(framing.read, files))
    assert most == 1
