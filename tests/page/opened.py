"""A page in the system's Chromium (apt-get install chromium), and small ones to open."""

from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data import mnist_dataset
from pellucid.data.framing import Framing
from pellucid.export.page import PageImage, Subject
from pellucid.layers import Layer
from pellucid.network import Network
from pellucid.zoo import create

MARKUP = "<img src=x onerror=alert(1)>"
CLASSES = [MARKUP, *map(str, range(1, 10))]


def digits(count: int) -> list[PageImage]:
    test = mnist_dataset(train=False).subset(range(count))
    images, labels = np.asarray(test.inputs), np.asarray(test.targets)
    return [PageImage(image, int(label)) for image, label in zip(images, labels, strict=True)]


def subject(layer: Layer | None = None, shape: tuple[int, int, int] = (1, 28, 28), **more: Any) -> Subject:
    network = Network(layer or create("deep-convnet", 10), shape)
    framing = Framing("character" if shape[0] == 1 else "stretch", shape[0], shape[1:])
    given: dict[str, Any] = {
        "task": "classify",
        "class_names": CLASSES,
        "framing": framing,
        "images": digits(6),
    } | more
    return Subject(title="Digits </script>" + MARKUP, network=network, **given)


class Opened:
    """A page, with what its console said and whatever it asked the network for.

    bypass_csp: where a test's own script runs in it, which the page's policy forbids.
    """

    def __init__(self, browser: Any, path: Path, content: bytes, **settings: Any) -> None:
        file = path / "page.html"
        file.write_bytes(content)
        self.page = browser.new_page(**settings)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready=yes]")

    def draw(self, *points: tuple[int, int]) -> None:
        box = self.page.locator("#draw").bounding_box()
        self.page.mouse.move(box["x"] + points[0][0], box["y"] + points[0][1])
        self.page.mouse.down()
        for x, y in points[1:]:
            self.page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
        self.page.mouse.up()
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def logits(self) -> list[float]:
        bars = self.page.locator("#bars .bar")
        return [float(bars.nth(i).get_attribute("title").split()[1]) for i in range(bars.count())]
