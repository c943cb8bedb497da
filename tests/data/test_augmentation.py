import numpy as np
import pytest

from pellucid.data import Augmentation
from pellucid.data.geometry import Affine, centred_affine, warp_images, warp_masks
from pellucid.data.randomness import generator, uniform_rows
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

RNG = np.random.default_rng(0)
UNIFORM = RNG.random((50, Augmentation.COLUMNS))


def _maps(
    n: int,
    size: tuple[int, int],
    shift: tuple[float, float] = (0, 0),
    angle: float = 0,
    scale: float = 1,
    shear: float = 0,
) -> Affine:
    ones = np.ones(n)
    return centred_affine(np.outer(ones, shift), angle * ones, scale * ones, shear * ones, size)


def _definition(image: Array, affine: Affine, index: int) -> Array:
    """One channel (H, W), pixel by pixel: bilinear interpolation in an image that is 0 outside."""
    H, W = image.shape

    def at(y: int, x: int) -> float:
        return float(image[y, x]) if 0 <= y < H and 0 <= x < W else 0.0

    warped = np.zeros((H, W))
    for y, x in np.ndindex(H, W):
        v, u = affine.matrix[index] @ (y, x) + affine.offset[index]
        top, left = int(np.floor(v)), int(np.floor(u))
        dy, dx = v - top, u - left
        upper = (1 - dx) * at(top, left) + dx * at(top, left + 1)
        lower = (1 - dx) * at(top + 1, left) + dx * at(top + 1, left + 1)
        warped[y, x] = (1 - dy) * upper + dy * lower
    return warped


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_warp_equals_its_definition(channels: int, dtype: type[np.generic]) -> None:
    images = RNG.integers(0, 256, (6, channels, 9, 7)).astype(dtype)
    affine = Augmentation(shift=4, rotate=80, scale=0.5, shear=30).affine(UNIFORM[:6], (9, 7))
    warped = warp_images(images, affine)
    assert warped.dtype == np.float32
    for index, channel in np.ndindex(6, channels):
        expected = _definition(images[index, channel], affine, index)
        np.testing.assert_allclose(warped[index, channel], expected, atol=0.01)


def test_nothing_drawn_changes_nothing() -> None:
    images = RNG.integers(0, 256, (4, 1, 28, 28), np.uint8)
    assert np.array_equal(warp_images(images, _maps(4, (28, 28))), images)
    masks = images[:, 0]
    assert np.array_equal(warp_masks(masks, _maps(4, (28, 28)), 255), masks)
    assert not Augmentation().moves


def test_shift_goes_down_and_right() -> None:
    images = RNG.integers(0, 256, (2, 3, 6, 5), np.uint8)
    warped = warp_images(images, _maps(2, (6, 5), shift=(2, -1)))
    assert np.array_equal(warped[:, :, 2:, :-1], images[:, :, :-2, 1:])
    assert not warped[:, :, :2].any()
    assert not warped[:, :, :, -1].any()


def test_whole_shifts_leave_pixels_as_they_are() -> None:
    """Every pixel is one of the image's, each amount as likely as another; fractions of the limit are let go."""
    images = RNG.integers(0, 256, (50, 2, 9, 7)).astype(np.uint8)
    affine = Augmentation(shift=2.9, whole=True).affine(UNIFORM, (9, 7))
    warped = warp_images(images, affine)
    padded = np.pad(images, [(0, 0), (0, 0), (2, 2), (2, 2)])
    seen = set()
    for image, frame in zip(warped, padded, strict=True):
        places = [(y, x) for y, x in np.ndindex(5, 5) if np.array_equal(image, frame[:, y : y + 9, x : x + 7])]
        assert len(places) == 1
        seen.update(places)
    assert {y for y, _ in seen} == {x for _, x in seen} == set(range(5))


@pytest.mark.parametrize("size", [(7, 7), (8, 8)])
def test_a_quarter_turn_is_numpys(size: tuple[int, int]) -> None:
    images = RNG.integers(0, 256, (3, 1, *size), np.uint8)
    turned = warp_images(images, _maps(3, size, angle=np.pi / 2))
    np.testing.assert_allclose(turned, np.rot90(images, axes=(2, 3)), atol=0.01)


def test_scale_magnifies_about_the_centre() -> None:
    image = np.zeros((1, 1, 21, 21), np.uint8)
    image[:, :, 8:13, 8:13] = 200
    warped = warp_images(image, _maps(1, (21, 21), scale=2.0))[0, 0]
    assert warped[10, 10] == 200
    assert warped.sum() / image.sum() == pytest.approx(4, rel=0.02)
    assert warped[10, 6] == 200  # two pixels left of the centre were one
    assert np.array_equal(warped, warped[::-1, ::-1])


def test_shear_leans_upright_lines_to_the_right() -> None:
    image = np.zeros((1, 1, 21, 21), np.uint8)
    image[:, :, :, 10] = 100
    warped = warp_images(image, _maps(1, (21, 21), shear=np.radians(45)))[0, 0]
    np.testing.assert_allclose(warped.argmax(1), 20 - np.arange(21))


def test_inverse_map_says_where_points_went() -> None:
    affine = Augmentation(shift=4, rotate=40, scale=0.5, shear=20).affine(UNIFORM, (20, 30))
    back = affine.inverse()
    points = RNG.random((50, 2)) * 20
    there = np.einsum("nij,nj->ni", back.matrix, points) + back.offset
    again = np.einsum("nij,nj->ni", affine.matrix, there) + affine.offset
    np.testing.assert_allclose(again, points, atol=1e-12)


def test_amounts_stay_within_what_is_asked_for_and_use_it() -> None:
    uniform = RNG.random((4000, Augmentation.COLUMNS))
    shift = Augmentation(shift=3).affine(uniform, (28, 28))
    assert 2.9 < np.abs(shift.offset).max() <= 3
    assert np.abs(shift.offset.mean(0)).max() < 0.1
    rotate = Augmentation(rotate=10).affine(uniform, (28, 28))
    angles = np.degrees(np.arctan2(rotate.matrix[:, 0, 1], rotate.matrix[:, 0, 0]))
    assert 9.9 < np.abs(angles).max() <= 10 + 1e-9
    scale = 1 / Augmentation(scale=0.25).affine(uniform, (28, 28)).matrix[:, 0, 0]
    assert 0.75 <= scale.min() < 0.76
    assert 1.24 < scale.max() <= 1.25


def test_erased_rectangles() -> None:
    images = np.ones((20000, 2, 12, 10), np.float32)
    Augmentation(erase=4).erase_from(images, RNG.random((20000, Augmentation.COLUMNS)))
    assert set(np.unique(images)) == {0, 1}
    assert np.array_equal(images[:, 0], images[:, 1])
    gone = images[:, 0] == 0
    heights, widths = gone.any(2).sum(1), gone.any(1).sum(1)
    assert heights.max() == widths.max() == 4
    assert np.array_equal(gone.sum((1, 2)), heights * widths)
    often = gone.mean(0)
    assert often.min() > 0.7 * often.max()  # no place is spared


def test_rows_of_random_numbers_are_found_without_those_before() -> None:
    table = uniform_rows(3, "augment", 2, 0, 100, 9)
    assert np.array_equal(uniform_rows(3, "augment", 2, 37, 20, 9), table[37:57])
    for other in ((4, "augment", 2), (3, "order", 2), (3, "augment", 1)):
        assert not np.array_equal(uniform_rows(*other, 0, 100, 9), table)
    assert generator(1, "a").random() != generator(1, "b").random()


@pytest.mark.parametrize("settings", [{"shift": -1}, {"rotate": 181}, {"scale": 1.0}, {"erase": -2}, {"shear": 80}])
def test_impossible_amounts_are_refused(settings: dict[str, float]) -> None:
    [(name, value)] = settings.items()
    with pytest.raises(PellucidError, match=f"augmentation {name} = {value}: expected 0 .."):
        Augmentation(**settings)  # type: ignore[arg-type]
