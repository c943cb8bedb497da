"""The page in Chromium (apt-get install chromium), opened as a file: drawn on, asked, opened down to one unit."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.data import mnist_dataset
from pellucid.data.framing import Framing
from pellucid.errors import PellucidError
from pellucid.export.page import PageImage, Subject, carried_state, page_html
from pellucid.export.page.html import ENGINE, source
from pellucid.export.page.integers import integer_rows
from pellucid.export.page.nodes import rows_of
from pellucid.export.page.weights import Packed
from pellucid.graph import Sequential
from pellucid.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from pellucid.network import Network
from pellucid.plan import IntegerNetwork
from pellucid.plan.integer_affine import IntegerConv2d
from pellucid.precision import quantize
from pellucid.zoo import create

from .opened import CLASSES, MARKUP, Opened, digits, subject


def test_it_opens_from_a_file_asks_for_nothing_and_shows_names_as_text(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, page_html(subject()))
    opened.draw((60, 60), (200, 60), (120, 230))
    for tab in ("history", "train", "lessons", "network"):
        opened.page.click(f"#tab-{tab}")
    opened.page.select_option("#language", "ja")
    assert opened.page.text_content("#h-answer") == "答え"
    assert opened.said == []
    assert all(url.startswith(("file:", "data:")) for url in opened.asked)
    assert opened.page.locator("img[src=x]").count() == 0
    assert opened.page.text_content("#bars .bar span") == MARKUP
    assert MARKUP in opened.page.title()


def test_the_logits_are_the_networks_with_the_weights_that_the_page_carries(browser: Any, tmp_path: Path) -> None:
    given = subject()
    assert isinstance(given.network, Network)
    twin = Network(create("deep-convnet", 10), (1, 28, 28), dtype=np.float64)
    twin.load_state({name: np.asarray(value, np.float64) for name, value in carried_state(given.network, 16).items()})
    pixels = np.stack([image.pixels for image in given.images])
    expected = twin.forward(pixels / 255.0)
    opened = Opened(browser, tmp_path, page_html(given), bypass_csp=True)
    for i in range(len(given.images)):
        opened.page.locator("#samples button").nth(i).click()
        opened.page.wait_for_function(
            "([i, y]) => Math.abs(Number(document.querySelector('#bars .bar').title.split(' ')[1]) - y) < 1e-3",
            arg=[i, float(expected[i, 0])],
        )
        np.testing.assert_allclose(opened.logits(), expected[i], atol=1e-4)  # shown with 4 digits


RUN_ALL = """
([code, model, text, images]) => {
  const run = new Function(code + "; return (model, text, images) => { const network = new Network(model, " +
    "unpackArrays(model.arrays, text)), last = model.outputs[0]; return images.map((image) => " +
    "Array.from(network.forward(Float32Array.from(image))[last])); };")();
  return run(model, text, images);
}
"""


@pytest.mark.parametrize(("name", "bits"), [("deep-convnet", 16), ("deep-convnet", 8), ("tiny-digits", 16)])
def test_a_hundred_images_give_the_networks_logits_in_the_browser(browser: Any, name: str, bits: int) -> None:
    network = Network(create(name, 10), (1, 28, 28))
    twin = Network(create(name, 10), (1, 28, 28), dtype=np.float64)
    twin.load_state({key: np.asarray(value, np.float64) for key, value in carried_state(network, bits).items()})
    images = np.asarray(mnist_dataset(train=False).subset(range(100)).inputs) / 255.0
    expected = twin.forward(images)
    packed = Packed(bits)
    rows = rows_of(network.nodes, network.input_shape, packed)
    model = {"input": network.input_shape, "nodes": rows, "outputs": network.nodes.outputs, "arrays": packed.rows}
    page = browser.new_page()
    code, model = "".join(map(source, ENGINE)), json.loads(json.dumps(model))
    found = np.array(page.evaluate(RUN_ALL, [code, model, packed.text(), images.reshape(100, -1).tolist()]))
    page.close()
    np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_the_products_of_a_unit_add_up_to_its_value_and_its_field_is_marked(browser: Any, tmp_path: Path) -> None:
    layer = Sequential(Conv2d(4, 3, padding=1), ReLU(), MaxPool2d(2), Conv2d(3, 3), ReLU(), Flatten(), Linear(10))
    opened = Opened(browser, tmp_path, page_html(subject(layer)))
    page = opened.page
    page.click('.node[data-name="0"]')
    page.locator("#maps button").nth(2).click()
    page.locator("#large").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    numbers = [float(text) for text in page.locator("#products td").all_text_contents()]
    total = {key: float(page.get_attribute("#sum", f"data-{key}")) for key in ("total", "bias", "value")}
    assert len(numbers) == 9
    assert sum(numbers) == pytest.approx(total["total"], abs=9 * 0.0005)
    assert total["total"] + total["bias"] == pytest.approx(total["value"], abs=1e-6)
    page.click('.node[data-name="3"]')
    r0, r1, c0, c1 = map(int, page.evaluate("document.documentElement.dataset.field").split())
    assert (r1 - r0 + 1, c1 - c0 + 1) == (8, 8)  # 3, then pooled by 2, then 3 of those: 3 + 1 + 2 * 2
    total = {key: float(page.get_attribute("#sum", f"data-{key}")) for key in ("total", "bias", "value")}
    assert total["total"] + total["bias"] == pytest.approx(total["value"], abs=1e-5)
    assert opened.said == []


def test_other_files_and_a_refused_camera_are_said_and_the_page_goes_on(browser: Any, tmp_path: Path) -> None:
    from PIL import Image

    opened = Opened(browser, tmp_path, page_html(subject()), bypass_csp=True)
    svg, text, photo = tmp_path / "a.svg", tmp_path / "a.txt", tmp_path / "a.jpg"
    svg.write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    text.write_text("no picture")
    for file in (svg, text):
        opened.page.set_input_files("#file", str(file))
        opened.page.wait_for_function("document.getElementById('message').textContent.includes('expected PNG')")
        opened.draw((100, 60), (140, 200))
        assert opened.page.text_content("#message") == ""
    opened.page.click("#camera")
    opened.page.wait_for_function("document.getElementById('message').textContent.includes('camera')")
    pixels = np.full((300, 470), 250, np.uint8)
    pixels[60:240, 200:225] = 10
    Image.fromarray(pixels).save(photo)
    before = opened.logits()
    opened.page.set_input_files("#file", str(photo))
    opened.page.wait_for_function(
        "before => document.querySelector('#bars .bar').title != before", arg=f"logit {before[0]:.4f}"
    )
    assert opened.page.text_content("#message") == ""
    assert opened.said == []


def test_a_large_photograph_stands_upright_by_its_own_note(browser: Any, tmp_path: Path) -> None:
    from PIL import Image

    layer = Sequential(Conv2d(4, 5, stride=3), ReLU(), Flatten(), Linear(10))
    opened = Opened(browser, tmp_path, page_html(subject(layer, (3, 24, 30), images=())), bypass_csp=True)
    y, x = np.mgrid[:1800, :2400]
    pixels = np.stack([x / 10, y / 8, (x > 600) * (y < 420) * 200.0], axis=2).astype(np.uint8)
    upright = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    upright.save(tmp_path / "upright.jpg", quality=95)
    upright.rotate(90, expand=True).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    found = []
    for name in ("upright", "turned"):
        opened.page.click("#clear")
        before = opened.logits()
        opened.page.set_input_files("#file", str(tmp_path / f"{name}.jpg"))
        opened.page.wait_for_function(
            "before => Math.abs(Number(document.querySelector('#bars .bar').title.split(' ')[1]) - before) > 1e-3",
            arg=before[0],
        )
        found.append(opened.logits())
    np.testing.assert_allclose(found[0], found[1], atol=0.02)
    assert np.abs(np.array(found[0]) - before).max() > 0.1
    assert opened.said == []


def test_a_drawing_on_a_long_input_lies_where_it_was_drawn(browser: Any, tmp_path: Path) -> None:
    given = {"framing": Framing("own", 1, (16, 40)), "images": (), "class_names": ["ground", "a", "b"]}
    opened = Opened(
        browser, tmp_path, page_html(subject(create("fcn-small", 3), (1, 16, 40), task="segment", **given))
    )
    box = opened.page.locator("#draw").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(40 / 16, abs=0.02)
    opened.draw((210, 50), (212, 52))
    opened.page.click('.node[data-name="input"]')
    place = opened.page.get_attribute("#large", "aria-label").split(", ")  # of the brightest pixel
    assert abs(int(place[1]) - 51 * 16 / box["height"]) <= 1
    assert abs(int(place[2].split(":")[0]) - 211 * 40 / box["width"]) <= 1


def test_the_last_layer_learns_in_the_page(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, page_html(subject()), bypass_csp=True)
    opened.draw((140, 40), (140, 240))
    opened.page.click("#tab-train")
    opened.page.click("#panel-train button >> nth=0")
    opened.page.click("#start-training")
    opened.page.wait_for_function("document.querySelector('#trained').dataset.losses")
    opened.page.wait_for_timeout(300)
    first, last = map(float, opened.page.get_attribute("#trained", "data-losses").split())
    assert last < first
    assert opened.said == []


def whole(name: str = "deep-convnet", bits: int = 8, shape: tuple[int, int, int] = (1, 28, 28)) -> IntegerNetwork:
    """Integers of a network with first weights and lively statistics."""
    network = Network(create(name, 10), shape)
    rng = np.random.default_rng(0)
    for key, value in network.state().items():
        if value.ndim == 1:
            moved = rng.uniform(0.5, 1, value.shape) if key.endswith("variance") else rng.normal(0, 0.1, value.shape)
            value[...] = moved if key.endswith("variance") else value + moved
    return quantize(network, rng.random((20, *shape), dtype=np.float32), bits)


RUN_WHOLE = """
([code, model, text, images]) => {
  const make = new Function(code + "; return (model, text) => new Network(model, unpackArrays(model.arrays, text));");
  const network = make()(model, text);
  return images.map((image) => Array.from(network.forward(Uint8Array.from(image))[model.outputs[0]]));
}
"""


@pytest.mark.parametrize(
    ("name", "bits", "shape"),
    [("deep-convnet", 8, (1, 28, 28)), ("tiny-digits", 4, (1, 28, 28)), ("resnet8", 8, (3, 32, 32))],
)
def test_a_hundred_images_give_the_integer_networks_own_logits_in_the_browser(
    browser: Any, name: str, bits: int, shape: tuple[int, int, int]
) -> None:
    network = whole(name, bits, shape)
    q = np.random.default_rng(1).integers(0, 256, (100, *shape)).astype(np.uint8)
    packed = Packed(32)
    rows = integer_rows(network, packed)
    model = {"input": shape, "nodes": rows, "outputs": [rows[-1]["name"]], "entry": [], "arrays": packed.rows}
    page = browser.new_page()
    code, model = "".join(map(source, ENGINE)), json.loads(json.dumps(model))
    found = np.array(page.evaluate(RUN_WHOLE, [code, model, packed.text(), q.reshape(100, -1).tolist()]))
    page.close()
    np.testing.assert_array_equal(found, network.integer_logits(q))


def test_a_page_of_integers_shows_whole_numbers_that_add_up(browser: Any, tmp_path: Path) -> None:
    network = whole()
    given = Subject("Integers", network, "classify", CLASSES, Framing("character", 1, (28, 28)), images=digits(6))
    opened = Opened(browser, tmp_path, page_html(given), bypass_csp=True)
    page = opened.page
    q = np.stack([image.pixels for image in given.images])
    expected = network.integer_logits(network.input_scale.quantize(q / np.float32(255)))
    first = page.locator("#bars .bar").nth(0).get_attribute("title")
    assert first.split(" = ")[1].startswith(f"{expected[0, 0]} ")
    for step in network.steps:
        page.click(f'.node[data-name="{step.name}"]')
        sums = {key: int(page.get_attribute("#sum", f"data-{key}")) for key in ("total", "bias", "value")}
        assert sums["total"] + sums["bias"] == sums["value"]
        if not page.locator("#products").count():  # a linear layer has too many
            continue
        terms = [int(text) for text in page.locator("#products td").all_text_contents()]
        assert sum(terms) == int(
            page.evaluate("document.querySelector('#made option:checked').textContent.split(': ')[1]")
        )
        assert isinstance(step, IntegerConv2d)
        assert sums["bias"] == step.bias[0]  # the first map is open
        multiplier, shift = int(step.multiplier[0]), int(step.shift[0])
        rounded = (sums["value"] * multiplier + (1 << (shift - 1))) >> shift
        assert int(page.get_attribute("#scaled", "data-rounded")) == rounded
        shown = int(page.get_attribute("#scaled", "data-value"))
        assert shown == min(max(rounded + step.zeros[1], step.low), step.high)
    page.click("#cam")
    assert "as if nothing were rounded" in page.text_content("#explained")
    assert not page.is_visible("#bits")
    page.click("#tab-train")
    assert "can't learn here" in page.text_content("#panel-train")
    assert opened.said == []


def test_all_layers_learn_in_the_page_and_filters_change(browser: Any, tmp_path: Path) -> None:
    layer = Sequential(Conv2d(4, 5, stride=2), ReLU(), MaxPool2d(2), Flatten(), Linear(10))
    opened = Opened(browser, tmp_path, page_html(subject(layer)), bypass_csp=True)
    opened.page.click('.node[data-name="0"]')
    before = opened.page.locator("#filter td").all_text_contents()
    opened.page.click("#tab-train")
    opened.page.click("#train-all")
    losses = "document.querySelector('#trained').dataset.losses"
    opened.page.wait_for_function(
        f"{losses} && Number({losses}.split(' ')[1]) < 0.7 * Number({losses}.split(' ')[0])"
    )
    opened.page.click("#tab-network")
    opened.draw((140, 40), (140, 240))
    assert opened.page.locator("#filter td").all_text_contents() != before
    assert opened.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_complain_of(browser: Any, tmp_path: Path, scheme: str) -> None:
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or found.origin is None:
        pytest.skip("axe-core isn't installed (pip install axe-playwright-python)")
    axe = next(Path(found.origin).parent.rglob("axe.min.js"))
    matrix = np.eye(10, dtype=int) * 3
    opened = Opened(browser, tmp_path, page_html(subject(matrix=matrix)), color_scheme=scheme, bypass_csp=True)
    opened.page.evaluate(axe.read_text())
    opened.page.click('.node[data-name="0"]')
    for tab in ("network", "history", "train", "lessons"):
        opened.page.click(f"#tab-{tab}")
        result = opened.page.evaluate("axe.run()")
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]][:3]) for one in result["violations"]]
        assert told == [], json.dumps(told, indent=1)


def test_a_page_of_pixels_and_one_of_boxes_answer(browser: Any, tmp_path: Path) -> None:
    from pellucid.tasks import Detect

    grey = [PageImage(np.random.default_rng(0).integers(0, 256, (1, 32, 32), np.uint8))]
    given = {"framing": Framing("own", 1, (32, 32)), "images": grey, "class_names": ["a", "b", "c"]}
    pixels = subject(create("fcn-small", 3), (1, 32, 32), task="segment", **given)
    opened = Opened(browser, tmp_path, page_html(pixels))
    assert "%" in opened.page.text_content("#legend")
    assert opened.said == []
    names = (
        "stride", "base", "log_range", "quality_power", "least_score", "candidates", "most", "nms_iou", "shown_score",
    )  # fmt: skip
    settings = {name: getattr(Detect(("a", "b", "c")), name) for name in names} | {"least_score": 1e-3}
    boxes = subject(create("detector-small", 3), (1, 32, 32), task="detect", detection=settings, **given)
    opened = Opened(browser, tmp_path, page_html(boxes))
    opened.page.fill("#threshold", "0")
    assert opened.page.text_content("#legend").count("0.") > 1
    assert opened.said == []


def test_a_page_is_small(tmp_path: Path) -> None:
    assert len(page_html(subject())) < 800_000
    small = Sequential(Conv2d(1, 1), Flatten(), Linear(10))
    assert len(page_html(subject(small, images=()))) < 250_000


def test_other_tasks_are_refused() -> None:
    with pytest.raises(PellucidError, match="task 'regress'"):
        page_html(subject(task="regress"))
