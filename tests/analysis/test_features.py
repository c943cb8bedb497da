"""Feature maps, exciting patches, effective fields, and the sheets that show them."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from pellucid import zoo
from pellucid.analysis.effective_field import draw_field, effective_field
from pellucid.analysis.feature_sheet import OUTSIDE, crop, feature_sheet
from pellucid.analysis.features import Patch, exciting_patches, feature_maps, first_filters
from pellucid.analysis.figures import coloured, mosaic, photograph
from pellucid.analysis.patch_overview import patch_overview
from pellucid.errors import PellucidError
from pellucid.graph import Residual, Sequential, Upsampled
from pellucid.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from pellucid.network import Network
from pellucid.ops.arrays import Array


def one_filter(weight: Array, size: int = 7) -> Network:
    network = Network(Sequential(Conv2d(1, weight.shape, bias=False)), (1, size, size), dtype=np.float64)
    network.vector[:] = weight.ravel()
    return network


def test_feature_maps_are_what_the_layers_give() -> None:
    layer = Sequential(Conv2d(3, 3, padding=1), ReLU(), Residual(Conv2d(3, 1)), MaxPool2d(2), Flatten(), Linear(4))
    network = Network(layer, (2, 6, 6), dtype=np.float64)
    x = np.random.default_rng(0).standard_normal((1, 2, 6, 6))
    maps = feature_maps(network, x[0])
    assert [found.layer for found in maps] == ["0", "1", "2.body", "2.add", "3", "4", "5"]
    values = {found.layer: found.values for found in maps}
    np.testing.assert_array_equal(values["5"], network.forward(x)[0])
    np.testing.assert_array_equal(values["1"], np.maximum(values["0"], 0))
    np.testing.assert_allclose(values["2.add"], values["2.body"] + values["1"])
    assert first_filters(network)[1].shape == (3, 2, 3, 3)


def test_the_most_exciting_patches_are_found_over_batches() -> None:
    """A filter that is 1 in its middle is excited by the brightest pixel of an image, wherever it lies."""
    weight = np.zeros((3, 3))
    weight[1, 1] = 1
    images = np.zeros((6, 1, 7, 7))
    for i, (row, column) in enumerate([(3, 3), (1, 5), (5, 1), (2, 2), (4, 1), (1, 1)]):
        images[i, 0, row, column] = (i * 5) % 6 + 1  # 1, 6, 5, 4, 3, 2
    found = exciting_patches(one_filter(weight), [images[:4], images[4:]], count=3)["0"][0]
    assert [(patch.image, patch.value) for patch in found] == [(1, 6.0), (2, 5.0), (3, 4.0)]
    assert (found[0].rows, found[0].columns) == ((0, 2), (4, 6))


def test_only_channels_that_are_there_are_shown() -> None:
    network = Network(Sequential(Conv2d(2, 3), ReLU(), Conv2d(9, 3)), (1, 8, 8))
    x = np.random.default_rng(0).random((3, 1, 8, 8), np.float32)
    found = exciting_patches(network, [x], [1, 7])
    assert {name: list(channels) for name, channels in found.items()} == {"0": [1], "2": [1, 7]}
    assert list(exciting_patches(network, [x])["2"]) == list(range(8))


def test_the_overview_names_its_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr("matplotlib.axes.Axes.set_title", lambda axes, text, **kinds: titles.append(text))
    patch = Patch(0, 1.0, (0, 1), (0, 1))
    png = patch_overview({"3": {5: [patch], 9: [patch], 11: [patch]}, "6": {2: [patch]}}, [np.ones((1, 4, 4))])
    assert png.startswith(b"\x89PNG")
    assert titles == ["channels 5, 9", "channel 11", "channel 2"]


def test_a_patch_beyond_the_border_is_filled() -> None:
    image = np.arange(16.0).reshape(1, 4, 4) / 15
    tile = crop(image, Patch(0, 1.0, (-1, 1), (2, 5)))
    assert tile.shape == (3, 4, 3)
    np.testing.assert_array_equal(tile[1:, :2], photograph(image)[:2, 2:])
    assert (tile[0] == OUTSIDE).all()
    assert (tile[:, 2:] == OUTSIDE).all()


def test_the_sheet_holds_a_readable_picture_of_every_layer() -> None:
    network = Network(zoo.create("deep-convnet", 10), (1, 28, 28))
    x = np.random.default_rng(0).random((4, 1, 28, 28), np.float32)
    maps = feature_maps(network, x[0])
    patches = exciting_patches(network, [x], count=2)
    html = feature_sheet("<7>.png", x[0], maps, first_filters(network), patches, list(x), list("0123456789")).decode()
    assert "&lt;7&gt;.png" in html
    assert not re.search(r'(src|href)="(?!data:)', html)  # needs no other file
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^\"]+)", html)]
    assert len(pictures) == 2 + len(maps) + 6 * 2
    assert all(picture.width <= 910 for picture in pictures)
    for found in maps:
        assert f"Layer {found.layer}: {found.kind}" in html


def test_colours_put_zero_in_the_middle_only_where_something_is_negative() -> None:
    signed, unsigned = coloured(np.array([[-2.0, 0, 1]])), coloured(np.array([[0.0, 1, 2]]))
    assert signed[0, 1].min() > 230  # white
    assert signed[0, 0, 2] > signed[0, 0, 0]  # purple
    assert signed[0, 2, 0] > signed[0, 2, 2]  # orange
    assert tuple(unsigned[0, 0]) == (68, 1, 84)  # viridis starts dark
    sheet = mosaic(np.zeros((5, 2, 3, 3), np.uint8), columns=2, side=4)
    assert sheet.shape == ((3 * 3 - 1) * 2, (2 * 4 - 1) * 2, 3)


def test_the_effective_field_of_one_filter_is_the_filter() -> None:
    weight = np.array([[0.01, -2, 0.5], [0, 10, -0.46], [0.45, 3, -0.4]])
    field = effective_field(one_filter(weight), "0", [np.ones((2, 1, 7, 7)), np.ones((3, 1, 7, 7))])
    assert (field.unit, field.images) == ((2, 2), 5)
    np.testing.assert_allclose(field.magnitude[2:5, 2:5], np.abs(weight))
    assert field.theoretical_area == 9
    assert field.effective_area == 5  # those above 0.455
    assert field.ratio == 5 / 9


def test_the_effective_field_of_a_deep_stack_is_a_small_part_of_what_it_sees() -> None:
    """Luo et al. 2016, section 2: n layers of equal weights give a binomial, of which the rim counts nothing."""
    network = Network(Sequential(*(Conv2d(1, 3, bias=False) for _ in range(10))), (1, 21, 21), dtype=np.float64)
    network.vector[:] = 1 / 9
    field = effective_field(network, "9", [np.zeros((1, 1, 21, 21))])
    row = np.ones(1)
    for _ in range(10):
        row = np.convolve(row, np.ones(3) / 3)
    np.testing.assert_allclose(field.magnitude, np.outer(row, row))
    assert field.theoretical_area == 21 * 21
    assert field.ratio < 0.4
    width, height = Image.open(io.BytesIO(draw_field(field, np.zeros((1, 21, 21))))).size
    assert width > height > 400


def test_a_missing_layer_or_no_image_is_refused() -> None:
    network = one_filter(np.ones((3, 3)))
    with pytest.raises(PellucidError, match="no layer 'conv7': expected one of 0"):
        effective_field(network, "conv7", [])
    grown = Network(Sequential(Upsampled(Sequential(Conv2d(1, 3, padding=1), MaxPool2d(2)), 1)), (1, 8, 8))
    assert effective_field(grown, "0", [np.ones((1, 1, 8, 8), np.float32)]).theoretical_area == 36
    with pytest.raises(PellucidError, match="no image"):
        effective_field(network, "0", [])
    with pytest.raises(PellucidError, match="expected a network with a convolution"):
        first_filters(Network(Linear(3), (4,)))


def test_a_channel_that_no_convolution_has_is_refused() -> None:
    network = Network(Sequential(Conv2d(4, 3), Flatten(), Linear(2)), (1, 8, 8))
    with pytest.raises(PellucidError, match=r"channel 9999: the network's convolutions have channels 0 \.\. 3"):
        exciting_patches(network, [], [9999])


def test_patches_of_fields_that_differ_by_a_pixel_stand_side_by_side() -> None:
    """As behind layers that enlarge, where a unit's field has one more or less by its place."""
    found = {"up": {0: [Patch(0, 1.0, (0, 2), (0, 2)), Patch(0, 1.0, (0, 3), (1, 3))]}}
    assert patch_overview(found, [np.ones((1, 4, 4))]).startswith(b"\x89PNG")
