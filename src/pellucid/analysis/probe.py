"""Which pixels each unit sees, found by brute force: change one pixel, and look which outputs change.

It uses nothing that layers declare, only what they compute, so it can judge receptive-field arithmetic. Weights
as they are would make a poor probe: a contribution may cancel another, a ReLU swallow it, a saturated sigmoid round
it away. So the network is asked yes-or-no questions. All weights are 1 and biases 0, the image is black but for one
pixel of 1, and behind each layer every value is replaced by 1 where it differs from that layer's answer to a black
image and by 0 where not. Sums of zeros and ones cancel nothing, and the largest of them is 1 where any is.
"""

import numpy as np

from pellucid import ops
from pellucid.layers import INFERENCE, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array

_BATCH = 128


def probe(network: Network, name: str) -> Array:
    """(P, Q, H, W), true where unit (p, q) of the named layer, any channel of it, sees pixel (h, w), any channel.

    A layer whose output is a vector has one unit: (1, 1, H, W). H, W: of the network's input shape (C, H, W). It
    costs a forward pass a pixel, in float64. Raises PellucidError, listing those there are, for a missing layer.
    """
    twin = network.astype(np.float64, fuse=False)
    watched = twin.find(name)
    for parameter, values in twin.parameters.items():
        values.value[...] = 0 if parameter.endswith(("bias", "running_mean")) else 1
    _, H, W = network.input_shape
    pixels = np.eye(H * W).reshape(H * W, 1, H, W)
    with ops.use_backend("numpy"):
        quiet = _answers_to_black(twin)
        seen = [_reached(twin, watched, quiet, pixels[i : i + _BATCH]) for i in range(0, H * W, _BATCH)]
    units = np.concatenate(seen)  # (H W, P, Q)
    return np.moveaxis(units, 0, -1).reshape(*units.shape[1:], H, W)


def _answers_to_black(network: Network) -> dict[Layer, Array]:
    """What each layer makes of zeros."""
    answers: dict[Layer, Array] = {}

    def watch(layer: Layer, y: Array) -> None:
        answers[layer] = y.copy()
        y[...] = 0

    network.forward(np.zeros((1, *network.input_shape)), INFERENCE.watched_by(watch))
    return answers


def _reached(network: Network, watched: Layer, quiet: dict[Layer, Array], pixels: Array) -> Array:
    """(N, P, Q), true where the watched layer's answer to one of N bright pixels differs from that to black."""
    reached: list[Array] = []

    def watch(layer: Layer, y: Array) -> None:
        y[...] = y != quiet[layer]
        if layer is watched:
            any_channel: Array = np.asarray(y.any(axis=1))
            reached.append(any_channel if y.ndim == 4 else any_channel[:, None, None])

    x = np.broadcast_to(pixels, (len(pixels), *network.input_shape)).copy()
    network.forward(x, INFERENCE.watched_by(watch))
    return reached[0]
