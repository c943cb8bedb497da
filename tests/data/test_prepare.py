import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data import mnist_dataset
from pellucid.data.components import label_parts, main_parts
from pellucid.data.prepare import centred, prepare_character, stroke_width
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

POOL = np.asarray(mnist_dataset(train=False).inputs)[:3000, 0]
ALIKE = POOL.reshape(len(POOL), -1).astype(np.float32)
Render = Callable[[Array], Image.Image]


def _enlarged(digit: Array, times: int) -> Image.Image:
    return Image.fromarray(digit).resize((28 * times, 28 * times), Image.Resampling.BICUBIC)


def _inverted(picture: Image.Image) -> Image.Image:
    return Image.fromarray(255 - np.asarray(picture))


def _levels(picture: Image.Image, low: float, high: float) -> Image.Image:
    return Image.fromarray((low + np.asarray(picture) * ((high - low) / 255)).astype(np.uint8))


def _noisy(picture: Image.Image, deviation: float) -> Image.Image:
    pixels = np.asarray(picture) + np.random.default_rng(0).normal(0, deviation, picture.size[::-1])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _shaded(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture)
    H, W = pixels.shape
    return Image.fromarray((pixels * np.linspace(0.5, 1, W) * np.linspace(0.85, 1, H)[:, None]).astype(np.uint8))


def _specked(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture).copy()
    for y, x in np.random.default_rng(1).integers(0, 277, (15, 2)):
        pixels[y : y + 2, x : x + 2] = 0
    return Image.fromarray(pixels)


def _placed(picture: Image.Image, size: tuple[int, int], corner: tuple[int, int]) -> Image.Image:
    canvas = Image.new("L", size, 0)
    canvas.paste(picture, corner)
    return canvas


def _jpeg(picture: Image.Image) -> Image.Image:
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=60)
    return Image.open(packed)


def _coloured(digit: Array) -> Image.Image:
    share = np.asarray(_enlarged(digit, 7))[..., None] / 255
    red, green = np.array([200, 30, 60]), np.array([40, 115, 40])  # of one luminance: grey alone would lose it
    return Image.fromarray((green + share * (red - green)).astype(np.uint8))


def _transparent(digit: Array) -> Image.Image:
    layered = Image.new("RGBA", (112, 112), "black")
    layered.putalpha(_enlarged(digit, 4))
    return layered


def _sixteen_bits(digit: Array) -> Image.Image:
    return Image.fromarray(np.asarray(_enlarged(digit, 5), np.uint16) * 128)


RENDERED: dict[str, tuple[Render, float]] = {  # how, and the largest mean difference in grey levels
    "as it is": (Image.fromarray, 0.5),
    "inverted": (lambda digit: Image.fromarray(255 - digit), 0.5),
    "nearest x5": (lambda digit: Image.fromarray(digit.repeat(5, 0).repeat(5, 1)), 3),
    "x4, dark on light": (lambda digit: _inverted(_enlarged(digit, 4)), 7),
    "x37": (lambda digit: _enlarged(digit, 37), 7),
    "in a corner": (lambda digit: _placed(_enlarged(digit, 3), (400, 300), (250, 120)), 7),
    "small in a large picture": (lambda digit: _inverted(_placed(_enlarged(digit, 2), (600, 400), (60, 320))), 7),
    "noise": (lambda digit: _noisy(_levels(_inverted(_enlarged(digit, 8)), 40, 215), 12), 7),
    "noise, 28x28": (lambda digit: _noisy(_levels(_inverted(Image.fromarray(digit)), 20, 235), 8), 7),
    "shadow": (lambda digit: _shaded(_inverted(_enlarged(digit, 10))), 7),
    "shadow, noise, JPEG": (lambda digit: _jpeg(_noisy(_shaded(_inverted(_enlarged(digit, 10))), 8)), 7),
    "faint": (lambda digit: _levels(_enlarged(digit, 6), 110, 150), 7),
    "specks": (lambda digit: _specked(_inverted(_enlarged(digit, 10))), 7),
    "colours": (_coloured, 7),
    "transparent": (_transparent, 7),
    "16 bits": (_sixteen_bits, 7),
}


@pytest.mark.parametrize("how", RENDERED)
def test_a_rendered_digit_comes_back(tmp_path: Path, how: str) -> None:
    """Of 3000 digits the most alike is the one that was rendered, and on average they are nearly equal.

    MNIST rounds the centre of mass to a pixel, and what was rendered may round the other way: the place is
    compared to one pixel, the rest at the best place.
    """
    render, most = RENDERED[how]
    found, differences = [], []
    for index in range(12):
        path = tmp_path / "digit.png"
        render(POOL[index]).save(path)
        prepared = prepare_character(path)
        assert prepared.shape == (1, 28, 28)
        assert prepared.dtype == np.uint8
        moved = [np.roll(prepared[0].astype(np.float32), shift, (0, 1)) for shift in np.ndindex(3, 3)]
        places = [np.roll(image, (-1, -1), (0, 1)) for image in moved]
        difference, best = min((float(np.abs(image - POOL[index]).mean()), k) for k, image in enumerate(places))
        found.append(((ALIKE - places[best].reshape(1, -1)) ** 2).sum(1).argmin() == index)
        differences.append(difference)
    assert np.sum(found) >= 11
    assert np.mean(differences) < most


def test_thin_strokes_are_widened_and_thick_ones_kept(tmp_path: Path) -> None:
    for pen, expected in ((1, 1.3), (3, 1.3), (60, 2.5)):
        line = np.full((500, 400), 255, np.uint8)
        line[100:400, 150 : 150 + pen] = 0
        line[400 - pen : 400, 150:300] = 0
        Image.fromarray(line).save(tmp_path / "l.png")
        prepared = prepare_character(tmp_path / "l.png")[0] / 255
        assert stroke_width(prepared) > expected
        assert prepared.max() == 1
        rows, columns = np.flatnonzero(prepared.any(1)), np.flatnonzero(prepared.any(0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20


def test_a_photograph_is_turned_upright_first(tmp_path: Path) -> None:
    digit = _inverted(_enlarged(POOL[0], 8))
    digit.save(tmp_path / "upright.png")
    sideways = digit.transpose(Image.Transpose.ROTATE_90)
    exif = sideways.getexif()
    exif[0x0112] = 6
    sideways.save(tmp_path / "sideways.png", exif=exif)
    upright, turned = (prepare_character(tmp_path / f"{name}.png") for name in ("upright", "sideways"))
    assert np.array_equal(upright, turned)


@pytest.mark.parametrize("ground", [0, 128, 255])
@pytest.mark.parametrize("noise", [0, 6])
@pytest.mark.parametrize("size", [(28, 28), (300, 200), (1, 1), (2, 5)])
def test_a_blank_picture_is_an_error(tmp_path: Path, ground: int, noise: int, size: tuple[int, int]) -> None:
    path = tmp_path / "blank.png"
    paper = Image.new("L", size, ground)
    (_noisy(paper, noise) if noise and min(size) > 2 else paper).save(path)
    with pytest.raises(PellucidError, match=r"blank\.png: the image is blank"):
        prepare_character(path)


def test_mnists_own_placing_is_kept() -> None:
    for digit in POOL[:200]:
        rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
        ink = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / np.float32(255)
        assert np.array_equal(centred(ink, 28), digit)


def test_parts_are_told_apart() -> None:
    mask = np.array([[1, 0, 0, 1, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [1, 1, 0, 1, 0]], bool)
    labels = label_parts(mask)
    assert len(np.unique(labels[mask])) == 4
    assert labels[0, 0] == labels[1, 1]
    assert not labels[~mask].any()
    assert (label_parts(np.ones((3, 3), bool)) == 1).all()
    assert label_parts(_spiral(31)).max() == 1


def _spiral(side: int) -> Array:
    """A path one cell wide that winds inwards: the longest way a number has to go."""
    mask = np.zeros((side, side), bool)
    y, x, dy, dx = 0, 0, 0, 1
    mask[0, 0] = True
    for length in (side - 1, *(n for k in range(side - 1, 1, -2) for n in (k, k))):
        for _ in range(length):
            y, x = y + dy, x + dx
            mask[y, x] = True
        dy, dx = dx, -dy
    return mask


def test_specks_are_left_out_and_strokes_kept() -> None:
    mask = np.zeros((300, 300), bool)
    mask[50:250, 100:120] = mask[50:70, 150:250] = mask[10:12, 10:12] = True
    kept = mask & main_parts(mask, mask.astype(float))
    assert kept[50:250, 100:120].all()
    assert kept[50:70, 150:250].all()
    assert not kept[10:12, 10:12].any()


def test_parts_are_those_that_a_flood_reaches() -> None:
    rng = np.random.default_rng(4)
    for density in (0.2, 0.4, 0.6):
        mask = rng.random((23, 31)) < density
        expected, count = np.zeros(mask.shape, int), 0
        for seed in zip(*np.nonzero(mask), strict=True):
            if not expected[seed]:
                count, reached = count + 1, [seed]
                while reached:
                    y, x = reached.pop()
                    around = (slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))
                    fresh = mask[around] & (expected[around] == 0)
                    expected[around][fresh] = count
                    reached += [(max(0, y - 1) + dy, max(0, x - 1) + dx) for dy, dx in np.argwhere(fresh)]
        found = label_parts(mask)
        assert found.max() == count == len({*zip(found[mask].tolist(), expected[mask].tolist(), strict=True)})
