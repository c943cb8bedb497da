"""The page in Chromium: the zoo's logits against the network in float64, and how long an answer takes.

python -m benchmarks.page logits [NAME ...] [--images 100]     every network of up to 5 M parameters, or those named,
                                                               in 16 bits, 8, and integers
python -m benchmarks.page times                     EfficientNet-Lite0 at 224; DeepConvNet from stroke to drawn maps
Needs playwright, and Chromium on the system (apt-get install chromium).
"""

import argparse
import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from pellucid.data.framing import Framing
from pellucid.export.page import Subject, carried_state, page_html
from pellucid.export.page.html import ENGINE, source
from pellucid.export.page.integers import integer_rows
from pellucid.export.page.nodes import rows_of
from pellucid.export.page.weights import Packed
from pellucid.network import Network
from pellucid.plan import AnyNetwork, IntegerNetwork
from pellucid.precision import quantize
from pellucid.zoo import NETWORKS, create

MOST_PARAMETERS = 5_000_000
GREY, COLOUR = (1, 28, 28), (3, 64, 64)
LOAD = """
([code, model, text]) => {
  const make = new Function(code + "; return (model, text) => new Network(model, unpackArrays(model.arrays, text));");
  window.network = make()(model, text);
  const Numbers = model.entry ? Uint8Array : Float32Array;
  window.answer = (image) => Array.from(network.forward(Numbers.from(image))[model.outputs[0]]);
}
"""
ONE_ANSWER = """
() => {
  const x = new Float32Array(3 * 224 * 224).fill(0.5), start = performance.now();
  answer(x);
  return performance.now() - start;
}
"""
STROKE = """
() => new Promise((done) => {
  const draw = document.getElementById("draw"), box = draw.getBoundingClientRect(), times = [];
  const at = (kind, x, y) => draw.dispatchEvent(new PointerEvent(kind, {
    clientX: box.left + x, clientY: box.top + y, pointerId: 1, bubbles: true }));
  draw.setPointerCapture = () => {};
  at("pointerdown", 80, 60);
  const step = (i) => {
    if (i === 40) { at("pointerup", 0, 0); done(times); return; }
    const start = performance.now();
    at("pointermove", 80 + 3 * i, 60 + 4 * i);
    requestAnimationFrame(() => setTimeout(() => {
      times.push(performance.now() - start);
      setTimeout(() => step(i + 1), 20);
    }));
  };
  setTimeout(() => step(0), 200);
})
"""


@contextmanager
def chromium() -> Iterator[Any]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


def lively(network: Network) -> Network:
    """With statistics, factors and biases that are not what they begin with."""
    rng = np.random.default_rng(0)
    for name, parameter in network.parameters.items():
        if len(parameter.shape) == 1:
            positive = name.endswith(("running_variance", ".weight"))
            drawn = rng.uniform(0.5, 1.5, parameter.shape) if positive else rng.normal(0, 0.1, parameter.shape)
            parameter.value[...] = drawn
    return network


def load(page: Any, network: AnyNetwork, shape: tuple[int, ...], bits: int) -> None:
    packed = Packed(bits)
    if isinstance(network, IntegerNetwork):
        rows = integer_rows(network, packed)
        model = {"input": shape, "nodes": rows, "outputs": [rows[-1]["name"]], "arrays": packed.rows, "entry": []}
    else:
        rows = rows_of(network.nodes, shape, packed)
        model = {"input": shape, "nodes": rows, "outputs": network.nodes.outputs, "arrays": packed.rows}
    page.evaluate(LOAD, ["".join(map(source, ENGINE)), json.loads(json.dumps(model)), packed.text()])


def zoo(names: Sequence[str]) -> Iterator[tuple[str, Network, tuple[int, ...]]]:
    """Those of up to 5 M parameters, on grey images or in colour."""
    for name in names or NETWORKS:
        for shape in (GREY, COLOUR):
            if shape == GREY and not name.startswith(("deep", "fcn", "lenet", "plain", "tiny")):
                continue
            network = Network(create(name, 10), shape)
            if sum(parameter.size for parameter in network.parameters.values()) <= MOST_PARAMETERS:
                yield name, lively(network), shape
            break


def logits(names: Sequence[str], images: int) -> None:
    with chromium() as browser:
        page = browser.new_page()
        for name, network, shape in zoo(names):
            x = np.random.default_rng(1).random((images, *shape), dtype=np.float32)
            for bits in (16, 8):
                twin = Network(create(name, 10), shape, dtype=np.float64)
                state = carried_state(network, bits).items()
                twin.load_state({key: np.asarray(value, np.float64) for key, value in state})
                expected = np.concatenate(
                    [twin.forward(part.astype(np.float64)) for part in np.array_split(x, -(-images // 10))]
                )
                load(page, network, shape, bits)
                found = [page.evaluate("(image) => answer(image)", image.ravel().tolist()) for image in x]
                error = np.abs(np.array(found).reshape(expected.shape) - expected).max()
                largest = np.abs(expected).max()
                print(f"{name:20} {bits:2} bits   off by {error:.1e}, the largest is {largest:.3g}", flush=True)
            whole = quantize(network, x[:32])
            q = whole.input_scale.quantize(x)
            load(page, whole, shape, 32)
            found = [page.evaluate("(image) => answer(image)", image.ravel().tolist()) for image in q]
            same = np.array(found).reshape(images, -1) == whole.integer_logits(q).reshape(images, -1)
            print(f"{name:20} integers  {same.size:,} numbers, {np.count_nonzero(~same)} of them others", flush=True)


def times() -> None:
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        page = browser.new_page()
        shape = (3, 224, 224)
        load(page, lively(Network(create("efficientnet-lite0", 1000), shape)), shape, 16)
        taken = [page.evaluate(ONE_ANSWER) for _ in range(6)]
        print(f"EfficientNet-Lite0, 224: the first {taken[0]:.0f} ms, then {statistics.median(taken[1:]):.0f} ms")
        page.close()
        page = browser.new_page()
        subject = Subject(
            title="digits",
            network=Network(create("deep-convnet", 10), GREY),
            task="classify",
            class_names=[str(i) for i in range(10)],
            framing=Framing("character", 1, GREY[1:]),
        )
        file = Path(folder) / "page.html"
        file.write_bytes(page_html(subject))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        taken = page.evaluate(STROKE)
        inside = page.get_attribute("html", "data-milliseconds")
        print(
            f"DeepConvNet, stroke to picture: median {statistics.median(taken):.1f} ms, at most {max(taken):.1f} ms;"
            f" network and drawing alone {inside} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("logits", "times"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--images", type=int, default=100)
    arguments = parser.parse_args()
    if arguments.what == "logits":
        logits(arguments.names, arguments.images)
    else:
        times()


if __name__ == "__main__":
    main()
