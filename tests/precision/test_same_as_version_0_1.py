"""Chains in integers are, byte for byte, what version 0.1 made of them: its files and its logits.

The digests are version 0.1's (commit be1a13c). Weights are multiples of 1/32 and scales are given, so that no sum of
floats depends on the order of its terms, and the numbers are the same on every machine.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid import ops
from pellucid.network import Network
from pellucid.plan import PIXELS, IntegerNetwork, Scale
from pellucid.precision import quantization_aware, quantize
from pellucid.precision.storage import save_integer
from pellucid.weights import read_arrays
from pellucid.zoo import create

SCALES = {str(i): Scale(0.005 * (1 + i % 7), 0 if i % 2 else 40) for i in range(40)} | {"input": PIXELS, "": PIXELS}

# (network, bits, trained with rounding): digests of file and logits
KNOWN = {
    ("deep-convnet", 8, False): ("2bc5aa7d117e24cb", "22687bae4719e0ef"),
    ("deep-convnet", 4, False): ("97e46e56075b5cec", "687f10a494889118"),
    ("tiny-digits", 8, False): ("182bf3812068b2cc", "21d62aeabe6a8c3e"),
    ("tiny-digits", 2, False): ("f1a267e48149a6c3", "c370e2b335af91e0"),
    ("tiny-digits", 4, True): ("1f2c0e68de989f49", "439fe65c8a0be576"),
}


def shrunk(name: str, bits: int, aware: bool) -> IntegerNetwork:
    network = Network(create(name, 10), (1, 28, 28))
    rng = np.random.default_rng(0)
    for key, value in network.state().items():
        low = 1 if key.endswith("variance") else -31
        value[...] = rng.integers(low, 32, value.shape) / 32
    if aware:
        network = quantization_aware(network, bits)
        for i, value in enumerate(value for key, value in network.state().items() if key.endswith(".range")):
            value[...] = (-(i % 3) / 4, 1 + i / 2)
    return quantize(network, np.zeros((1, 1, 28, 28), np.float32), bits)


def digests(network: IntegerNetwork, folder: Path) -> tuple[str, str]:
    save_integer(folder / "n.safetensors", network)
    arrays, notes = read_arrays(folder / "n.safetensors")
    content = [part for key in sorted(arrays) for part in (key.encode(), arrays[key].tobytes())]
    q = np.random.default_rng(3).integers(0, 256, (5, 1, 28, 28)).astype(np.uint8)
    content += [notes["network"].encode(), notes["format"].encode()]
    return digest(content), digest([network.integer_logits(q).tobytes()])


def digest(parts: list[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


@pytest.mark.parametrize("case", KNOWN, ids=str)
def test_the_same_bytes(case: tuple[str, int, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["pellucid.precision.quantize"], "calibrate", lambda *_: SCALES)
    with ops.use_backend("numpy"):
        assert digests(shrunk(*case), tmp_path) == KNOWN[case]
