"""How pictures of another shape are brought to the network's size, in training and in prediction."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data import load_data
from pellucid.data.framing import Fit, Framing, middle

RNG = np.random.default_rng(0)
SIZES = ((30, 50), (50, 30), (40, 40), (20, 61))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label in ("ant", "bee"):
        (tmp_path / label).mkdir()
        for number, size in enumerate(SIZES):
            coarse = RNG.integers(0, 256, (5, 5, 3)).astype(np.uint8)
            Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC).save(
                tmp_path / label / f"{number}.png"
            )
    return tmp_path


@pytest.mark.parametrize(("size", "shape", "box"), [
    ((30, 50), (16, 16), (10, 0, 40, 30)),
    ((50, 30), (16, 16), (0, 10, 30, 40)),
    ((40, 40), (16, 16), (0, 0, 40, 40)),
    ((30, 50), (10, 20), (0, 2, 50, 27)),
    ((1, 9), (16, 16), (4, 0, 5, 1)),
])  # fmt: skip
def test_the_middle_is_the_largest_of_that_shape(
    size: tuple[int, int], shape: tuple[int, int], box: tuple[int, ...]
) -> None:
    assert middle(size, shape) == box


@pytest.mark.parametrize("fit", ["stretch", "crop", "letterbox"])
def test_folders_and_files_are_fitted_alike(fit: Fit, photos: Path) -> None:
    data = load_data(photos, 16, fit=fit)
    framing = data.train.framing
    assert framing is not None and data.train.image_shape == (3, 16, 16)
    for i, key in enumerate(data.train.keys or ()):
        with Image.open(photos / key) as file:
            W, H = file.size
            picture = file.copy()
            if fit == "crop":
                side = min(H, W)
                left, top = (W - side) // 2, (H - side) // 2
                picture = picture.crop((left, top, left + side, top + side))
            h, w = (16, 16) if fit != "letterbox" else (round(16 * H / max(H, W)), round(16 * W / max(H, W)))
            expected = np.zeros((3, 16, 16), np.uint8)
            expected[:, :h, :w] = np.asarray(picture.resize((w, h), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        np.testing.assert_array_equal(np.asarray(data.train.inputs)[i], expected)
        np.testing.assert_array_equal(framing.read(photos / key).pixels, expected)
        if fit == "letterbox":
            assert data.train.parts is not None and tuple(data.train.parts[i]) == (h, w)
    assert (data.train.parts is None) == (fit != "letterbox")


def test_a_large_jpeg_is_cropped_as_a_small_one(tmp_path: Path) -> None:
    coarse = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize((960, 640), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    framing = Framing("crop", 3, (64, 64))
    with Image.open(tmp_path / "a.jpg") as picture:
        whole = framing.see(picture.copy(), "a").pixels
    assert np.abs(framing.read(tmp_path / "a.jpg").pixels.astype(int) - whole).mean() < 1
