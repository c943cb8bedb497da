"""Arrays in device memory, with as much of NumPy's manners as layers and training need.

An array is a block of memory and a `layout`: a NumPy array whose address is the device's, which says where each
number lies and is never read. Views (slices, transposed, reshaped) are views of the layout over the same block.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.cuda_ops import copies
from pellucid.ops.cuda_ops.copies import merged, swaps_few
from pellucid.ops.cuda_ops.device import device, launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks
from pellucid.ops.cuda_ops.pool import Block, pool
from pellucid.ops.cuda_ops.types import FLOATS, NUMBERS

KINDS = tuple(NUMBERS)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


class _Layout:
    def __init__(self, shape: Shape, kind: np.dtype[Any], address: int) -> None:
        typestr = "<V2" if kind == BFLOAT16 else kind.str
        self.__array_interface__ = {"shape": shape, "typestr": typestr, "data": (address, False), "version": 3}


class DeviceArray:
    """Numbers in device memory; see the module. Reading one (float, numpy.asarray, host) waits for the device."""

    __slots__ = ("address", "block", "layout")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1000

    def __init__(self, layout: Array, block: Block) -> None:
        self.layout, self.block = layout, block
        self.address = layout.ctypes.data

    # What it is.

    @property
    def shape(self) -> Shape:
        """Length of each axis."""
        return self.layout.shape

    @property
    def strides(self) -> Shape:
        """Bytes from one number to the next along each axis."""
        return self.layout.strides

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return self.layout.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.layout.ndim

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.layout.size

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return self.layout.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers."""
        return self.layout.nbytes

    @property
    def flags(self) -> Any:
        """NumPy's, such as flags.c_contiguous."""
        return self.layout.flags

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """For other libraries on the device (bfloat16 as two bytes, which few know)."""
        strides = None if self.flags.c_contiguous else self.strides
        typestr = "<V2" if self.dtype == BFLOAT16 else self.dtype.str
        return {
            "shape": self.shape,
            "typestr": typestr,
            "data": (self.address, False),
            "strides": strides,
            "version": 3,
        }

    def __len__(self) -> int:
        return len(self.layout)

    def __repr__(self) -> str:
        return f"DeviceArray({self.shape}, {self.dtype})"

    # Views.

    def _view(self, layout: Array) -> DeviceArray:
        return DeviceArray(layout, self.block)

    def __getitem__(self, key: Any) -> DeviceArray:
        view = self.layout[(*key, ...) if isinstance(key, tuple) and Ellipsis not in key else _with_rest(key)]
        return self._view(view)

    def transpose(self, *axes: Any) -> DeviceArray:
        """With the axes in another order."""
        return self._view(self.layout.transpose(*axes))

    @property
    def T(self) -> DeviceArray:  # noqa: N802
        """With the axes reversed."""
        return self._view(self.layout.T)

    def swapaxes(self, first: int, second: int) -> DeviceArray:
        """With two axes exchanged."""
        return self._view(self.layout.swapaxes(first, second))

    def view(self, dtype: npt.DTypeLike) -> DeviceArray:
        """The same bytes as numbers of another type."""
        return self._view(self.layout.view(dtype))

    def reshape(self, *shape: Any) -> DeviceArray:
        """Of another shape, in C order: a view where one can be, else a copy."""
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if self.flags.c_contiguous:
            return self._view(self.layout.reshape(wanted))
        try:
            return self._view(np.reshape(self.layout, wanted, copy=False))
        except ValueError:
            return contiguous(self).reshape(wanted)

    def ravel(self) -> DeviceArray:
        """As one axis."""
        return self.reshape(-1)

    # Values.

    def __setitem__(self, key: Any, value: Any) -> None:
        target = self if key is Ellipsis else self[key]
        if isinstance(value, DeviceArray):
            assign(target, value)
        elif np.ndim(value) == 0:
            fill(target, value)
        else:
            assign(target, array(value))

    def fill(self, value: float) -> None:
        """Set every number."""
        fill(self, value)

    def __imul__(self, factor: float) -> DeviceArray:
        if not self.flags.c_contiguous:
            raise PellucidError("GPU array: expected a contiguous one to scale in place")
        flat = self.reshape(-1)
        launch(copies.scale.of(self.dtype.name), blocks(self.size), THREADS, flat, factor)
        return self

    def copy(self) -> DeviceArray:
        """The same numbers elsewhere, in the same memory order."""
        new = empty_like(self)
        assign(new, self)
        return new

    def astype(self, dtype: npt.DTypeLike, copy: bool = True) -> DeviceArray:
        """As numbers of another type, in the same memory order."""
        if self.dtype == dtype and not copy:
            return self
        new = empty_like(self, dtype)
        assign(new, self)
        return new

    def host(self) -> Array:
        """A copy on the host, in the same memory order."""
        order = memory_order(self)
        dense = contiguous(self.transpose(order))
        values = np.empty(dense.shape, self.dtype)
        if values.size:
            device().download(values, dense.address)
        return values.transpose(np.argsort(order))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        values = self.host()
        return values if dtype is None else values.astype(dtype)

    def item(self) -> Any:
        """The one number."""
        return self.host().item()

    def tolist(self) -> Any:
        """As nested lists."""
        return self.host().tolist()

    def tobytes(self) -> bytes:
        """Bytes of the numbers in C order."""
        return self.host().tobytes()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __reduce__(self) -> tuple[Any, ...]:
        return array, (self.host(),)

    def __deepcopy__(self, memo: dict[int, Any]) -> DeviceArray:
        return self.copy()


def _with_rest(key: Any) -> Any:
    """The key, so that it makes a view also where it picks a single number."""
    return key if isinstance(key, tuple) or key is Ellipsis or key is None else (key, ...)


# Where arrays are made.


def empty(shape: int | Shape, dtype: npt.DTypeLike) -> DeviceArray:
    """Array of undefined contents, C-contiguous, from the pool."""
    kind = np.dtype(dtype)
    if kind.name not in NUMBERS:
        raise PellucidError(f"GPU array: expected numbers of type {', '.join(KINDS)}, got {kind}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    block = pool().take(math.prod(sizes) * kind.itemsize)
    layout = np.asarray(_Layout(sizes, kind, block.address))
    return DeviceArray(layout if layout.dtype == kind else layout.view(kind), block)


def empty_images(shape: Shape, dtype: npt.DTypeLike) -> DeviceArray:
    """Undefined images of logical shape (N, C, H, W), stored channels last."""
    N, C, H, W = shape
    return empty((N, H, W, C), dtype).transpose(0, 3, 1, 2)


def zeros(shape: int | Shape, dtype: npt.DTypeLike) -> DeviceArray:
    """Array of zeros, C-contiguous."""
    x = empty(shape, dtype)
    fill(x, 0)
    return x


def empty_like(x: DeviceArray, dtype: npt.DTypeLike | None = None) -> DeviceArray:
    """Undefined contents, in the shape and memory order of x, without gaps."""
    order = memory_order(x)
    new = empty(tuple(x.shape[axis] for axis in order), x.dtype if dtype is None else dtype)
    return new.transpose(np.argsort(order))


def array(x: Any, dtype: npt.DTypeLike | None = None) -> DeviceArray:
    """The array itself if it is on the device, else a copy there, in the same memory order."""
    if isinstance(x, DeviceArray):
        return x if dtype is None else x.astype(dtype, copy=False)
    values = np.asarray(x, dtype)
    order = memory_order(values)
    dense = np.ascontiguousarray(values.transpose(order))
    new = empty(tuple(values.shape[axis] for axis in order), values.dtype)
    if dense.size:
        device().upload(new.address, dense)
    return new.transpose(np.argsort(order))


def host(x: Any) -> Array:
    """A NumPy array of the same numbers."""
    return x.host() if isinstance(x, DeviceArray) else np.asarray(x)


# Memory orders.


def memory_order(x: DeviceArray | Array) -> Shape:
    """Axes from the one farthest apart in memory to the closest."""
    if x.flags.c_contiguous:
        return tuple(range(x.ndim))
    return tuple(sorted(range(x.ndim), key=lambda axis: (-abs(x.strides[axis]), axis)))


def contiguous(x: DeviceArray) -> DeviceArray:
    """The array itself where it is C-contiguous, else a copy that is."""
    if x.flags.c_contiguous:
        return x
    y = empty(x.shape, x.dtype)
    assign(y, x)
    return y


# Copies.


def fill(x: DeviceArray, value: float) -> None:
    """Set every number to `value`."""
    order = memory_order(x)
    dense = x.transpose(order)
    if not x.size:
        return
    if not dense.flags.c_contiguous:
        assign(x, array(np.array(value, x.dtype)))
    elif value == 0 and math.copysign(1, value) > 0:
        device().clear(x.address, x.nbytes)
    else:
        number = float(value) if x.dtype.name in FLOATS else int(value)
        launch(copies.fill.of(x.dtype.name), blocks(x.size), THREADS, dense.reshape(-1), number)


def assign(target: DeviceArray, source: DeviceArray) -> None:
    """Copy, between any two memory orders and types; `source` is broadcast to the target's shape."""
    if not target.size:
        return
    if source.shape != target.shape:
        source = DeviceArray(np.broadcast_to(source.layout, target.shape), source.block)
    if source.strides == target.strides and (dense := target.transpose(memory_order(target))).flags.c_contiguous:
        if source.dtype == target.dtype:
            device().copy(target.address, source.address, target.nbytes)
            return
        vectors = dense.reshape(-1), source.transpose(memory_order(target)).reshape(-1)
        launch(copies.convert.of(target.dtype.name, source.dtype.name), blocks(target.size), THREADS, *vectors)
        return
    if source.dtype == target.dtype and target.itemsize == 2:  # as they are, bit for bit
        target, source = target.view(np.uint16), source.view(np.uint16)
    order = memory_order(target)
    found = merged(target, source, order)
    if found is None:  # a part at a time, along the longest steps
        axis = next(axis for axis in order if target.shape[axis] > 1)
        for i in range(target.shape[axis]):
            assign(target.swapaxes(0, axis)[i], source.swapaxes(0, axis)[i])
        return
    shape, to, by = found
    (t, to_start), (s, by_start) = _from_lowest(target, shape, to), _from_lowest(source, shape, by)
    if swaps_few(shape, to, by):
        one = copies.swap.of(target.dtype.name, source.dtype.name)
        launch(one, blocks(shape[2] * shape[4]), THREADS, t, s, *shape[3:])
        return
    numbers = (*shape, *to, *by, to_start, by_start)
    launch(copies.copy.of(target.dtype.name, source.dtype.name), blocks(target.size), THREADS, t, s, *numbers)


def _from_lowest(x: DeviceArray, shape: list[int], strides: list[int]) -> tuple[DeviceArray, int]:
    """The memory that x lies in, as a vector from its lowest address, and where in it x begins."""
    below = -sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True) if stride < 0)
    above = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True) if stride > 0)
    layout = np.asarray(_Layout((below + above + 1,), x.dtype, x.address - below * x.itemsize))
    return DeviceArray(layout if layout.dtype == x.dtype else layout.view(x.dtype), x.block), below
