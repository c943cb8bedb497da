"""The page in Firefox (apt-get install firefox-esr), opened as a file: drawn on, asked, opened down to one unit."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import mnist_dataset
from pellucid.data.framing import Framing
from pellucid.export.page import PageImage, Subject, carried_state, page_html
from pellucid.network import Network
from pellucid.plan import AnyNetwork
from pellucid.precision import quantize
from pellucid.zoo import create

from .bidi import FIREFOX, Firefox, firefox

pytestmark = pytest.mark.skipif(FIREFOX is None, reason="Firefox isn't installed (apt-get install firefox-esr)")
LOGITS = "JSON.stringify([...document.querySelectorAll('#bars .bar')].map((bar) => Number(bar.title.split(' ')[1])))"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with firefox(tmp_path_factory.mktemp("profile")) as driven:
        yield driven


def opened(browser: Firefox, folder: Path, network: AnyNetwork) -> list[PageImage]:
    """Opens the network's page; the test images that came along."""
    test = mnist_dataset(train=False).subset(range(3))
    images = [
        PageImage(image, int(k)) for image, k in zip(np.asarray(test.inputs), np.asarray(test.targets), strict=True)
    ]
    framing = Framing("character", 1, (28, 28))
    names = [str(k) for k in range(10)]
    (folder / "page.html").write_bytes(
        page_html(Subject("Digits", network, "classify", names, framing, images=images))
    )
    browser.said.clear()
    browser.asked.clear()
    browser.open((folder / "page.html").as_uri())
    browser.wait("document.documentElement.dataset.ready === 'yes'")
    return images


def test_it_opens_without_request_or_error_draws_and_answers(browser: Firefox, tmp_path: Path) -> None:
    network = Network(create("deep-convnet", 10), (1, 28, 28))
    images = opened(browser, tmp_path, network)
    twin = Network(create("deep-convnet", 10), (1, 28, 28), dtype=np.float64)
    twin.load_state({name: np.asarray(value, np.float64) for name, value in carried_state(network, 16).items()})
    expected = twin.forward(images[0].pixels[None] / 255.0)[0]
    before = np.array(json.loads(str(browser.ask(LOGITS))))
    np.testing.assert_allclose(before, expected, atol=1e-4)  # shown with 4 digits
    left, top = (
        float(browser.ask(f"document.getElementById('draw').getBoundingClientRect().{side}")) for side in ("x", "y")
    )
    browser.drag((left + 60, top + 60), (left + 200, top + 60), (left + 120, top + 230))
    browser.wait("!document.getElementById('said').textContent.includes('truth')")  # which a drawing has none of
    assert json.loads(str(browser.ask(LOGITS))) != before.tolist()
    assert "%" in str(browser.ask("document.getElementById('said').textContent"))
    browser.ask("document.querySelector('.node[data-name=\"0\"]').click()")
    total, bias, value = (
        float(browser.ask(f"document.getElementById('sum').dataset.{key}")) for key in ("total", "bias", "value")
    )
    assert total + bias == pytest.approx(value, abs=1e-6)
    for tab in ("history", "train", "lessons", "network"):
        browser.ask(f"document.getElementById('tab-{tab}').click()")
    assert browser.said == []
    assert browser.asked != []
    assert all(url.startswith(("file:", "data:")) for url in browser.asked)


def test_integers_are_the_same_there(browser: Firefox, tmp_path: Path) -> None:
    x = np.asarray(mnist_dataset(train=False).subset(range(20)).inputs) / np.float32(255)
    network = quantize(Network(create("deep-convnet", 10), (1, 28, 28)), x, 8)
    opened(browser, tmp_path, network)
    expected = network.integer_logits(network.input_scale.quantize(x[:1]))[0]
    shown = (
        "JSON.stringify([...document.querySelectorAll('#bars .bar')].map((bar) => Number(bar.title.split(' ')[3])))"
    )
    assert browser.ask(shown) == str(expected.tolist()).replace(" ", "")
    assert browser.said == []
