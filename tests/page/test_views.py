"""The page's views in Chromium: the map's zoom, drawing by keyboard, dropped files, the camera, training, lessons."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.data.framing import Framing
from pellucid.export.page import Subject, page_html
from pellucid.graph import Residual, Sequential
from pellucid.layers import Conv2d, Flatten, GlobalAvgPool2d, Linear, MaxPool2d, ReLU
from pellucid.network import Network
from pellucid.precision import quantize

from .opened import CLASSES, Opened, digits, subject

HISTORY = [{"epoch": 1, "train": {"loss": 0.5}, "test": {"loss": 0.4, "accuracy": 0.9, "images": 30}}]


def small() -> Sequential:
    return Sequential(Conv2d(4, 5, stride=2), ReLU(), MaxPool2d(2), Flatten(), Linear(10))


DROP = """
([content, type]) => {
  const file = new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], "dropped", { type });
  const carried = new DataTransfer();
  carried.items.add(file);
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
}
"""
RED = """
() => {
  const over = document.getElementById("over"), pen = over.getContext("2d");
  const { data } = pen.getImageData(0, 0, over.width, over.height);
  const found = [over.width, -1, over.height, -1];
  for (let i = 0; i < data.length; i += 4) if (data[i] === 255 && data[i + 1] === 59 && data[i + 2] === 48) {
    const x = (i / 4) % over.width, y = Math.floor(i / 4 / over.width);
    found[0] = Math.min(found[0], x); found[1] = Math.max(found[1], x);
    found[2] = Math.min(found[2], y); found[3] = Math.max(found[3], y);
  }
  return found;
}
"""


def test_the_whole_network_fits_on_the_screen_and_is_enlarged_again(browser: Any, tmp_path: Path) -> None:
    blocks = [Residual(Sequential(Conv2d(8, 3, padding=1), ReLU(), Conv2d(8, 3, padding=1))) for _ in range(6)]
    layer = Sequential(Conv2d(8, 3, padding=1), *blocks, GlobalAvgPool2d(), Flatten(), Linear(10))
    page = (opened := Opened(browser, tmp_path, page_html(subject(layer)))).page
    box = "document.getElementById('scroll')"
    assert page.evaluate(f"{box}.scrollWidth > 2 * {box}.clientWidth")
    page.click("#whole")
    assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth && {box}.scrollHeight <= {box}.clientHeight")
    sides = "[n.offsetLeft, n.offsetTop, n.offsetWidth, n.offsetHeight]"
    cards = page.evaluate(f"[...document.querySelectorAll('.node')].map((n) => {sides})")
    for i, (x, y, w, h) in enumerate(cards):  # none lies over another
        for other in cards[i + 1 :]:
            assert x + w <= other[0] or other[0] + other[2] <= x or y + h <= other[1] or other[1] + other[3] <= y
    wide = page.locator(".node").first.bounding_box()["width"]
    page.focus("#scroll")
    page.keyboard.press("+")
    assert page.locator(".node").first.bounding_box()["width"] > wide
    paths = page.locator("#map path").count()
    assert (
        paths == page.evaluate("document.querySelectorAll('.node').length - 1") + 6
    )  # a line for each addition more
    page.click("#whole")
    page.locator(".node").last.click()
    assert page.is_visible("#sum")
    assert opened.said == []


def test_arrow_keys_draw(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, page_html(subject()))
    opened.page.click("#clear")
    blank = opened.logits()
    opened.page.focus("#draw")
    for _ in range(3):
        opened.page.keyboard.press("Shift+ArrowLeft")
    assert opened.logits() == blank
    for _ in range(8):
        opened.page.keyboard.press("ArrowDown")
    opened.page.wait_for_function(
        "before => Math.abs(Number(document.querySelector('#bars .bar').title.split(' ')[1]) - before) > 1e-3",
        arg=blank[0],
    )
    assert opened.said == []


def test_what_a_unit_sees_of_a_drawing_is_framed_where_it_was_drawn(browser: Any, tmp_path: Path) -> None:
    given = subject(Sequential(Conv2d(1, 1), Flatten(), Linear(10)))
    assert isinstance(given.network, Network)
    given.network.parameters["0.weight"].value[...] = 1
    opened = Opened(browser, tmp_path, page_html(given), bypass_csp=True)
    opened.draw((50, 200), (90, 200), (90, 240))  # a corner of the canvas: the network sees it in the middle
    opened.page.click('.node[data-name="0"]')
    left, right, top, bottom = opened.page.evaluate(RED)
    assert 50 - 15 <= left < right <= 90 + 15
    assert 200 - 15 <= top < bottom <= 240 + 15


@pytest.mark.parametrize("kind", ["image/svg+xml", "text/plain"])
def test_dropped_files_that_are_no_photographs_are_said(browser: Any, tmp_path: Path, kind: str) -> None:
    opened = Opened(browser, tmp_path, page_html(subject()), bypass_csp=True)
    before = opened.logits()
    opened.page.evaluate(DROP, [base64.b64encode(b"<svg onload='alert(1)'/>").decode(), kind])
    opened.page.wait_for_function("document.getElementById('message').textContent.includes('expected PNG')")
    assert opened.logits() == before
    assert opened.said == []


def test_a_dropped_photograph_is_the_input(browser: Any, tmp_path: Path) -> None:
    from PIL import Image

    opened = Opened(browser, tmp_path, page_html(subject()), bypass_csp=True)
    before, content = opened.logits(), io.BytesIO()
    pixels = np.full((210, 130), 240, np.uint8)
    pixels[40:170, 60:75] = 20
    Image.fromarray(pixels).save(content, "PNG")
    opened.page.evaluate(DROP, [base64.b64encode(content.getvalue()).decode(), "image/png"])
    opened.page.wait_for_function(
        "before => Math.abs(Number(document.querySelector('#bars .bar').title.split(' ')[1]) - before) > 1e-3",
        arg=before[0],
    )
    assert opened.page.text_content("#message") == ""


def test_the_camera_is_seen_until_it_is_stopped(browser: Any, tmp_path: Path) -> None:
    layer = Sequential(Conv2d(4, 5, stride=3), ReLU(), Flatten(), Linear(10))
    content = page_html(subject(layer, (3, 24, 30), images=()))
    opened = Opened(browser, tmp_path, content, bypass_csp=True, permissions=["camera"])
    opened.page.click("#camera")
    opened.page.wait_for_function("document.getElementById('camera').textContent === 'Stop the camera'")
    answer = "document.querySelector('#bars .bar').title"
    for _ in range(2):  # the test picture moves
        opened.page.wait_for_function(f"before => {answer} !== before", arg=opened.page.evaluate(answer))
    opened.page.click("#camera")
    assert opened.page.text_content("#camera") == "Camera"
    last = opened.logits()
    opened.page.wait_for_timeout(200)
    assert opened.logits() == last
    assert opened.page.text_content("#message") == ""
    assert opened.said == []


def test_a_camera_allowed_too_late_stays_off(browser: Any, tmp_path: Path) -> None:
    """Two clicks while the browser asks, and then a stroke: no stream goes on, and what was drawn stays."""
    opened = Opened(browser, tmp_path, page_html(subject()), bypass_csp=True)
    opened.page.evaluate("""() => {
        window.streams = []; window.allow = [];
        navigator.mediaDevices.getUserMedia = () => new Promise((answer) => window.allow.push(() => {
            const stream = document.createElement("canvas").captureStream();
            window.streams.push(stream); answer(stream);
        }));
    }""")
    opened.page.click("#camera")
    opened.page.click("#camera")
    opened.draw((40, 40), (40, 160))
    drawn = opened.logits()
    opened.page.evaluate("window.allow.forEach((answer) => answer())")
    opened.page.wait_for_timeout(200)
    states = "window.streams.flatMap((stream) => stream.getTracks()).map((track) => track.readyState)"
    assert opened.page.evaluate(states) == ["ended", "ended"]
    assert opened.page.text_content("#camera") == "Camera"
    assert opened.logits() == drawn


def test_filters_change_before_ones_eyes_while_all_layers_learn(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, page_html(subject(small())), bypass_csp=True)
    opened.draw((140, 40), (140, 240))
    opened.page.click("#tab-train")
    opened.page.select_option("#own-label", "1")
    opened.page.click("#add-example")
    assert opened.page.text_content("#own figcaption") == CLASSES[1]
    pictures = "[...document.querySelectorAll('#learnt canvas')].map((canvas) => canvas.toDataURL())"
    before = opened.page.evaluate(pictures)
    assert len(before) == 2
    opened.page.click("#train-all")
    opened.page.wait_for_function(f"before => {pictures}.every((one, i) => one !== before[i])", arg=before)
    assert opened.said == []


def test_the_history_of_integers_is_said_to_be_the_floats(browser: Any, tmp_path: Path) -> None:
    network = Network(small(), (1, 28, 28))
    whole = quantize(network, np.random.default_rng(0).random((8, 1, 28, 28), dtype=np.float32))
    for given, said in ((network, 0), (whole, 1)):
        shown = Subject("Runs", given, "classify", CLASSES, Framing("character", 1, (28, 28)), history=HISTORY)
        opened = Opened(browser, tmp_path, page_html(shown))
        opened.page.click("#tab-history")
        assert opened.page.locator("#whose").count() == said
        assert "accuracy 0.9000" in opened.page.text_content("#panel-history")
    assert "network of floats" in opened.page.text_content("#whose")


def test_mistakes_are_pictures_in_the_matrix_that_lead_to_the_image(browser: Any, tmp_path: Path) -> None:
    given = subject(small())
    assert isinstance(given.network, Network)
    pixels = np.stack([image.pixels for image in given.images]).astype(np.float32) / 255
    guesses, truths = given.network.forward(pixels).argmax(axis=1), [image.truth or 0 for image in given.images]
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (truths, guesses), 1)
    opened = Opened(browser, tmp_path, page_html(subject(small(), matrix=matrix, images=digits(6))))
    opened.page.click("#tab-history")
    pictured = opened.page.locator("td:has(img)")
    assert 0 < pictured.count() <= np.count_nonzero(matrix)
    pictured.first.locator("button").click()
    opened.page.locator("#found button").first.click()
    assert "truth" in opened.page.text_content("#said")
    assert opened.said == []


def test_every_lesson_opens_what_it_is_about(browser: Any, tmp_path: Path) -> None:
    opened = Opened(browser, tmp_path, page_html(subject()))
    page = opened.page
    page.click("#tab-lessons")
    count = int(page.text_content(".lesson h2").split(":")[0].split("/")[1])
    assert count == 12
    for i in range(count):
        title = page.text_content(".lesson h2")
        assert title.startswith(f"{i + 1} /")
        page.click("#show-lesson")
        assert page.is_visible("#draw")
        if i < 8:
            assert page.is_visible("#large")
        elif i < 10:
            page.wait_for_function("document.getElementById('explained').textContent.length > 5")
        else:
            assert page.evaluate("document.activeElement.closest('#bits-row, #samples') !== null")
        page.click("#tab-lessons")
        page.focus("#next")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "next"
    assert opened.said == []
