"""The pickles in PyTorch's files: tensors, dicts, lists, numbers and text; nothing is called by its name.

A tensor there is a view of a storage, with an offset and strides in elements; the storages' bytes lie beside the
pickle. Several tensors may share a storage, and so they do here: arrays are read-only views of the file's bytes,
which take no memory of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.formats import float_type
from pellucid.pickles import PickleMachine

MOST_INSTRUCTIONS = 2_000_000
MOST_AXES = 8
ADVICE = "save torch.save(model.state_dict(), FILE) instead"

STORAGES: dict[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": float_type("bfloat16"),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(bool),
}
"""Type of the numbers of each storage."""


@dataclass(frozen=True)
class Storage:
    """Numbers beside the pickle: their type, their key there, and how many of them are this storage's.

    start: where a view of another storage begins, in elements.
    """

    dtype: np.dtype[Any]
    key: str
    count: int
    start: int = 0


@dataclass(frozen=True)
class Tensor:
    """A view of a storage: offset and strides in elements."""

    storage: Storage
    offset: int
    shape: Shape
    strides: Shape

    def array(self, content: memoryview, order: Literal["<", ">"]) -> Array:
        """The numbers, within the bytes of the storage of that key; order: "<" or ">", that of the bytes.

        Raises ValueError where the view reaches beyond its storage.
        """
        storage = self.storage
        kind = storage.dtype if storage.dtype.itemsize == 1 else storage.dtype.newbyteorder(order)
        if len(content) % kind.itemsize:
            raise ValueError(f"a storage of {len(content)} bytes for numbers of {kind.itemsize}")
        numbers = np.frombuffer(content, kind)
        if storage.start + storage.count > numbers.size:
            raise ValueError(f"a storage of {numbers.size} numbers, expected {storage.start + storage.count}")
        numbers = numbers[storage.start : storage.start + storage.count]
        last = self.offset + sum((side - 1) * step for side, step in zip(self.shape, self.strides, strict=True))
        if prod(self.shape) and last >= storage.count:
            raise ValueError(f"a tensor that reaches number {last} of a storage of {storage.count}")
        view: Array = np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, [step * kind.itemsize for step in self.strides], writeable=False
        )
        return view


class _Kind:
    """The name of a storage's type."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype


class TorchMachine(PickleMachine):
    """Reads a pickle of a PyTorch file; its tensors are `Tensor`s.

    room: how many elements all tensors may have together: no more than the file has bytes.
    """

    expected = "tensors, dicts, numbers and text"

    def __init__(self, source: str, room: int) -> None:
        super().__init__(_ADMITTED, source, most=MOST_INSTRUCTIONS, keys=(str, int))
        self.room = room
        self.widths: dict[str, int] = {}  # bytes of a number, of every storage that there is

    def _named(self, module: object, name: object) -> Any:
        dtype = STORAGES.get(name) if isinstance(name, str) and module in {"torch", "torch.storage"} else None
        if dtype is not None:
            return _Kind(dtype)
        return super()._named(module, name)

    def build(self, made: object, state: object) -> None:
        """The attributes of an ordered dict say versions of modules: they are passed over."""
        if not isinstance(made, dict | _Passed):
            super().build(made, state)

    def persistent(self, key: object) -> Any:
        """("storage", type, key, device, count), and in the older format the view that it is of another storage."""
        if isinstance(key, tuple) and key[:1] == ("module",):
            raise self.refused("the code of", "a module")
        if not isinstance(key, tuple) or len(key) not in {5, 6} or key[0] != "storage":
            raise ValueError("a reference that is no storage's")
        _, kind, name, _, count, *view = key
        if not isinstance(kind, _Kind) or not isinstance(name, str) or not _whole(count):
            raise ValueError("a storage that isn't described by type, key and size")
        self.widths[name] = kind.dtype.itemsize
        if not view or view[0] is None:
            return Storage(kind.dtype, name, count)
        if not isinstance(view[0], tuple) or len(view[0]) != 3 or not all(map(_whole, view[0][1:])):
            raise ValueError("a view of a storage that isn't described by offset and size")
        return Storage(kind.dtype, name, view[0][2], view[0][1])

    def refused(self, module: str, name: str) -> PellucidError:
        """A name beyond those of a state dict is mostly that of a module's class, as the whole module was saved."""
        return PellucidError(
            f"{self.source}: refused, as the pickle names {module}.{name}; expected {self.expected} "
            f"and nothing else: of a whole module, {ADVICE}"
        )


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 40


def _sides(given: object) -> Shape:
    if not isinstance(given, tuple) or len(given) > MOST_AXES or not all(map(_whole, given)):
        raise ValueError("a shape or strides that aren't a few whole numbers")
    return given


def _tensor(
    machine: TorchMachine, storage: object, offset: object, shape: object, strides: object, *_: object
) -> Any:
    if not isinstance(storage, Storage) or type(offset) is not int or not _whole(offset):
        raise ValueError("a tensor without a storage")
    made = Tensor(storage, offset, _sides(shape), _sides(strides))
    if len(made.shape) != len(made.strides):
        raise ValueError(f"a shape of {len(made.shape)} axes with {len(made.strides)} strides")
    machine.room -= prod(made.shape)
    if machine.room < 0:
        raise ValueError("more numbers than the file has room for")
    return made


def _parameter(machine: TorchMachine, data: object, *_: object) -> Any:
    if not isinstance(data, Tensor):
        raise ValueError("a parameter that is no tensor")
    return data


def _ordered(machine: TorchMachine, pairs: object = (), *_: object) -> dict[Any, Any]:
    if not isinstance(pairs, list | tuple) or not all(isinstance(p, list | tuple) and len(p) == 2 for p in pairs):
        raise ValueError("a dict of something else than keys and values")
    return machine.filled({}, [part for pair in pairs for part in pair])


class _Passed:
    """A value that no weights need, such as a device, of which nothing is kept."""

    def __init__(self, machine: TorchMachine, *_: object) -> None:
        """Whatever it is made of."""


def _counted(machine: TorchMachine, counts: object = (), *_: object) -> Any:
    if not isinstance(counts, dict) and counts != ():
        raise ValueError("counts that are no dict")
    return counts or {}


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("collections", "OrderedDict"): _ordered,
    ("collections", "Counter"): _counted,  # of milestones, in a schedule's state
    ("torch", "Size"): _Passed,
    ("torch", "device"): _Passed,
    ("builtins", "set"): _Passed,
    ("__builtin__", "set"): _Passed,
    ("_codecs", "encode"): _Passed,
    ("numpy", "dtype"): _Passed,
    ("numpy", "ndarray"): _Passed,
    ("numpy.core.multiarray", "_reconstruct"): _Passed,
    ("numpy._core.multiarray", "_reconstruct"): _Passed,
    ("numpy.core.multiarray", "scalar"): _Passed,
    ("numpy._core.multiarray", "scalar"): _Passed,
    **{
        ("torch", name): _Passed
        for name in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
    },
}
