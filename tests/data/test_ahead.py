"""Pictures larger than memory: batches read ahead, files read once where they fit, JPEGs decoded small."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data import Loader, load_data
from pellucid.data.ahead import ahead
from pellucid.data.formats import image_files
from pellucid.data.framing import Framed, Framing
from pellucid.data.pictures import open_picture
from pellucid.errors import PellucidError

RNG = np.random.default_rng(0)


def test_what_is_made_ahead_comes_in_order_and_no_further_than_asked() -> None:
    made: list[int] = []
    third = threading.Event()

    def make(key: int) -> int:
        made.append(key)
        if key == 2:
            third.set()
        return key * key

    squares = ahead(make, range(100), 3)
    assert next(squares) == 0
    assert third.wait(5)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]  # one more each time one is taken
    squares.close()  # type: ignore[attr-defined]
    assert len(made) <= 5
    assert list(ahead(lambda key: key + 1, range(7), 3)) == [1, 2, 3, 4, 5, 6, 7]


def test_a_mistake_is_raised_where_its_turn_is() -> None:
    def make(key: int) -> int:
        if key == 3:
            raise PellucidError("third.jpg: cut off")
        return key

    found = ahead(make, range(9))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(PellucidError, match="third"):
        next(found)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in ("ant", "bee"):
        (tmp_path / label).mkdir()
        for number in range(6):
            pixels = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    return tmp_path


def test_files_are_read_once_where_they_fit(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = load_data(photos, 8).train
    assert isinstance(whole.inputs, np.ndarray)
    monkeypatch.setattr(image_files, "READ_FIRST", 0)
    lazy = load_data(photos, 8).train
    read: list[Path] = []
    framed = Framing.read

    def counted(self: Framing, path: Path) -> Framed:
        read.append(path)
        return framed(self, path)

    monkeypatch.setattr(Framing, "read", counted)
    for epoch in range(2):
        for one, other in zip(
            Loader(whole, 4).epoch(epoch), Loader(lazy.subset(range(10)), 4).epoch(epoch), strict=True
        ):
            assert np.array_equal(one.inputs, other.inputs)
    assert sorted(read) == sorted(lazy.inputs.files)  # type: ignore[attr-defined]


def test_a_file_that_goes_bad_in_mid_training_is_named(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "READ_FIRST", 0)
    lazy = load_data(photos, 8).train
    (photos / "bee" / "3.png").write_text("no longer")
    (photos / "ant" / "3.png").write_text("no longer")
    with pytest.raises(PellucidError, match=r"3\.png: not an image"):
        list(Loader(lazy, 4).epoch(0))


@pytest.mark.parametrize("turned", [1, 6])
def test_a_large_jpeg_comes_small_and_looks_the_same(turned: int, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:480, :640] / 40
    pixels = (127 + 120 * np.sin(rows) * np.cos(columns))[..., None].repeat(3, 2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turned
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95, exif=exif.tobytes())
    size = (60, 80) if turned == 1 else (80, 60)
    small = open_picture(tmp_path / "a.jpg", size)
    assert (small.height, small.width) == (2 * size[0], 2 * size[1])
    seen = Framing("stretch", 3, size).read(tmp_path / "a.jpg").pixels
    whole = Framing("stretch", 3, size).see(open_picture(tmp_path / "a.jpg"), "a").pixels
    assert np.abs(seen.astype(int) - whole).mean() < 1.5
