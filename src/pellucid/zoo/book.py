"""Weights of the book: `deep_convnet_params.pkl` of Saitoh, "Deep Learning from Scratch" (2016)."""

from pathlib import Path

import numpy as np

from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.layers import Linear
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.zoo.array_pickle import unpickle_arrays

KEPT = 0.5  # the share that the book's dropout keeps in training, and multiplies by when it infers


def load_book_parameters(network: Network, path: Path) -> None:
    """Give a DeepConvNet the book's weights W1..W8 and biases b1..b8; nothing changes unless all fit.

    The i-th layer with parameters takes Wi and bi. The book stores affine weights as (inputs, outputs), so they
    are transposed. Its dropout, after either affine layer, scales nothing in training and multiplies by 0.5 when it
    infers, where the one here does nothing: its logits are 0.5 (0.5 h W8 + b8). Both factors go into W8 and b8.
    Raises PellucidError for a file that isn't such a pickle, and for missing or misshapen arrays.
    """
    arrays = read_book_parameters(path)
    layers = [layer for layer in network.layers() if layer.parameters()]
    state: dict[str, Array] = {}
    for number, layer in enumerate(layers, 1):
        for letter, kind in (("W", "weight"), ("b", "bias")):
            key, parameter = f"{letter}{number}", layer.parameters()[kind]
            turned = isinstance(layer, Linear) and kind == "weight"
            array = _taken(arrays, key, parameter.shape, turned, path)
            if number == len(layers):
                array = array * (KEPT**2 if kind == "weight" else KEPT)
            state[f"{layer.name}.{kind}"] = array
    if arrays:
        raise PellucidError(f"{path}: {', '.join(sorted(arrays))} belong to no layer of this network")
    network.load_state(state, str(path))


def _taken(arrays: dict[str, Array], key: str, shape: Shape, turned: bool, path: Path) -> Array:
    """The array of that key, taken out and turned to the shape that the network's has."""
    expected = shape[::-1] if turned else shape
    if key not in arrays:
        raise PellucidError(f"{path}: no {key}, expected an array of shape {expected}")
    array = arrays.pop(key)
    if array.shape != expected:
        raise PellucidError(f"{path}: {key} has shape {array.shape}, expected {expected}")
    if not np.isfinite(array).all():
        raise PellucidError(f"{path}: {key} has numbers that are not finite")
    return array.T if turned else array


def read_book_parameters(path: Path) -> dict[str, Array]:
    """The arrays of a pickled dict, by key. Raises PellucidError for anything but a dict of float arrays."""
    return unpickle_arrays(read_whole(path), str(path))
