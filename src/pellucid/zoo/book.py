"""Weights of the book: `deep_convnet_params.pkl` of Saitoh, "Deep Learning from Scratch" (2016).

The file is a pickle, and a pickle may name any function to be called. Here it may name the few that a pickled
array is made of, and each of those names leads to a function or class of this module that makes plain arrays;
any other name is refused before anything is imported or called.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.layers import Linear
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape

TYPES = ("f2", "f4", "f8")
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
    content = read_whole(path)
    try:
        found = _ArrayUnpickler(content, path).load()
    except PellucidError:
        raise
    except Exception as error:  # damaged pickles raise almost anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PellucidError(f"{path}: not a pickle of arrays ({reason})") from error
    if not isinstance(found, dict):
        raise PellucidError(f"{path}: expected a dict of arrays, got {_described(found)}")
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, _Array):
            raise PellucidError(f"{path}: expected a dict of arrays, got {_described(value)} under {key!r}")
    return {key: value.array for key, value in found.items()}


def _described(value: object) -> str:
    return "one array" if isinstance(value, _Array) else type(value).__name__


class _ArrayUnpickler(pickle.Unpickler):
    """Unpickles dicts, lists, numbers, strings and arrays; every other name in the file is refused."""

    def __init__(self, content: bytes, path: Path) -> None:
        super().__init__(io.BytesIO(content))
        self._path = path

    def find_class(self, module: str, name: str, /) -> Any:
        found = _ADMITTED.get((module.replace("numpy._core.", "numpy.core."), name))
        if found is None:
            raise PellucidError(
                f"{self._path}: refused, as the pickle names {module}.{name}; expected NumPy arrays and nothing else"
            )
        return found


class _DType:
    """A float type, as the reader of `numpy.dtype(code)` and its state sees it."""

    def __init__(self, code: str, *_: object) -> None:
        if code not in TYPES:
            raise ValueError(f"array type {code!r}, expected one of {', '.join(TYPES)}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """(version, byte order, ...)."""
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array, as the reader of its parts sees it."""

    array: Array

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """(version, shape, type, whether in Fortran's order, bytes)."""
        _, shape, kind, fortran, content = state
        self.array = _read_elements(content, kind, shape, "F" if fortran else "C")


def _read_elements(content: bytes, kind: _DType, shape: Shape, order: str) -> Array:
    if not isinstance(kind, _DType):
        raise TypeError(f"array type {kind!r}")
    elements = np.frombuffer(content, kind.dtype)
    return elements.reshape(shape, order="F" if order == "F" else "C").astype(np.float64)


class _NDArray:
    """What `numpy.ndarray` leads to: only an argument of `_reconstruct`."""


def _reconstruct(*_: object) -> _Array:
    """An array still empty; its state follows."""
    return _Array()


def _from_buffer(content: bytes, kind: _DType, shape: Shape, order: str, *_: object) -> _Array:
    """An array as pickle's protocol 5 writes it."""
    made = _Array()
    made.array = _read_elements(content, kind, shape, order)
    return made


def _encode(text: str, encoding: str) -> bytes:
    """Bytes as protocol 2 writes them."""
    if encoding not in {"latin1", "latin-1"}:
        raise ValueError(f"text encoding {encoding!r}")
    return text.encode("latin-1")


_ADMITTED = {
    ("numpy", "ndarray"): _NDArray,
    ("numpy", "dtype"): _DType,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
}
