"""Convolutions by NVIDIA's cuDNN, whose graphs are described by the package nvidia-cudnn-frontend.

A graph says which convolution, of which shapes and types, and what follows it in the same pass; cuDNN proposes ways
to do it. The first few are timed when a case first comes, and which one was fastest is kept beside the compiled
kernels: the next run takes the same, so that it gives the same bits. Images lie channels last, and
so must filters (K, R, S, C/groups), which the flat vector of parameters doesn't have: they are copied.

In float32 the matrix units are left out, which would round the factors to 10 bits of fraction (TF32), unless
`blas.tensor_float32` is set; methods that give other bits each time are always left out.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from pellucid.errors import OutOfMemoryError
from pellucid.ops.arrays import Pair, Shape
from pellucid.ops.cuda_ops import blas, choices
from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty, empty_images
from pellucid.ops.cuda_ops.channels import bias_relu
from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.layouts import channels_last, padded
from pellucid.ops.cuda_ops.tiles import tiled_conv2d, tiled_conv2d_input_gradient, tiled_conv2d_weight_gradient
from pellucid.ops.cuda_ops.types import SIMULATED
from pellucid.ops.formats import float_type
from pellucid.ops.geometry import Geometry

ALIGNMENT = 16  # bytes: what cuDNN expects of an address
MOST_TRIED, TIMED_RUNS, TRYING_SECONDS = 6, 8, 0.3  # ways that are timed for a case, as long as there is time

TYPES = {"float32": "FLOAT", "float16": "HALF", "bfloat16": "BFLOAT16"}


@cache
def _package() -> Any:
    """The package; None where it or cuDNN itself is missing, which is said once."""
    try:
        import cudnn

        cudnn.backend_version()
    except Exception as error:  # no package, or no library, or one that it can't load
        print(f"cuDNN can't be used ({error}): convolutions run on slower kernels of our own", file=sys.stderr)
        return None
    return cudnn


def available(dtype: np.dtype[Any]) -> bool:
    """Whether cuDNN does convolutions of the type here."""
    return not SIMULATED and dtype.name in TYPES and _package() is not None


@cache
def _handle() -> Any:
    handle = _package().create_handle()
    _package().set_stream(handle, int(device().stream))  # type: ignore[attr-defined]
    return handle


@dataclass(frozen=True)
class Case:
    """What a graph is made for. direction: "forward", "input" or "weight" gradient."""

    direction: str
    dtype: str
    images: Shape
    filters: Shape
    geometry: Geometry
    biased: bool
    relu: bool
    tensor_float32: bool

    @property
    def dtype_of(self) -> Any:
        """NumPy's type of that name."""
        return float_type(self.dtype)


class Plan:
    """One way of cuDNN's to do a graph, whose arguments come in order, the result last.

    index: its place among those that cuDNN proposes.
    """

    def __init__(self, graph: Any, index: int) -> None:
        self.graph, self.index = graph, index
        graph.build_plan_at_index(index)
        self.workspace = int(graph.get_workspace_size_plan_at_index(index))

    def run(self, *arrays: DeviceArray) -> None:
        """Do it."""
        workspace = empty(max(self.workspace, 1), np.uint8)
        addresses = {uid + 1: x.address for uid, x in enumerate(arrays)}
        self.graph.execute_plan_at_index(addresses, workspace.address, self.index, handle=_handle())

    def seconds(self, arrays: list[DeviceArray]) -> float:
        """Of one run."""
        self.run(*arrays)
        device().synchronize()
        start = time.perf_counter()
        for _ in range(TIMED_RUNS):
            self.run(*arrays)
        device().synchronize()
        return (time.perf_counter() - start) / TIMED_RUNS


def _fastest(graph: Any, case: Case) -> Plan:
    """The way that was chosen before, else the fastest of the first few that work."""
    names = [str(graph.get_plan_name_at_index(i)) for i in range(graph.get_execution_plan_count())]
    kept = choices.of(repr(case))
    if kept in names:
        return Plan(graph, names.index(kept))
    arrays = [empty(math.prod(shape), case.dtype_of) for shape in SHAPES[case.direction](case)]
    best, least, tried, start, failure = None, math.inf, 0, time.perf_counter(), None
    for index in range(len(names)):
        try:
            one = Plan(graph, index)
            taken = one.seconds(arrays)
        except Exception as error:  # one that was left out above, or an engine that refuses all the same
            failure = error
            continue
        if taken < least:
            best, least = one, taken
        tried += 1
        if tried == MOST_TRIED or time.perf_counter() - start > TRYING_SECONDS:
            break
    if best is None:
        raise failure or RuntimeError("no execution plan")
    choices.keep(repr(case), names[best.index])
    return best


@cache
def plan(case: Case) -> Plan | None:
    """The graph for a case; None where cuDNN has no way to do it."""
    package = _package()
    kind = getattr(package.data_type, TYPES[case.dtype])
    single = package.data_type.FLOAT
    graph = package.pygraph(
        io_data_type=kind, intermediate_data_type=single, compute_data_type=single, handle=_handle()
    )
    try:
        tensors = MAKERS[case.direction](graph, case)
        for uid, tensor in enumerate(tensors):
            tensor.set_uid(uid + 1)
        tensors[-1].set_output(True)
        tensors[-1].set_data_type(kind)
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([package.heur_mode.A, package.heur_mode.FALLBACK])
        graph.deselect_numeric_notes(_unwanted(case))
        graph.check_support()
        return _fastest(graph, case)
    except OutOfMemoryError:  # says nothing about the case, which may come again with more room
        raise
    except Exception as error:  # cudnnGraphNotSupportedError, and others for what it finds wrong
        if not (case.biased or case.relu):  # else it is done in two steps
            print(
                f"cuDNN has no {case.direction} for {case}: {_line(error)}; a slower kernel does it", file=sys.stderr
            )
        return None


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _unwanted(case: Case) -> list[Any]:
    note = _package().numerical_note
    unwanted = [note.NONDETERMINISTIC, note.REDUCED_PRECISION_REDUCTION, note.FFT]
    if case.dtype == "float32" and not case.tensor_float32:
        unwanted += [note.TENSOR_CORE, note.DOWN_CONVERT_INPUTS]
    return unwanted


def _last(shape: Shape) -> list[int]:
    """Strides of (N, C, H, W) stored as (N, H, W, C)."""
    _, C, H, W = shape
    return [C * H * W, 1, C * W, C]


def _tensor(graph: Any, name: str, shape: Shape) -> Any:
    return graph.tensor(name=name, dim=list(shape), stride=_last(shape))


def _settings(geometry: Geometry) -> dict[str, list[int]]:
    return {
        "pre_padding": list(geometry.before),
        "post_padding": list(geometry.after),
        "stride": list(geometry.stride),
        "dilation": list(geometry.dilation),
    }


def _output(case: Case) -> Shape:
    (N, _, H, W), (K, _, R, S) = case.images, case.filters
    return (N, K, *case.geometry.output_size((H, W), (R, S)))


def _forward(graph: Any, case: Case) -> list[Any]:
    x, w = _tensor(graph, "x", case.images), _tensor(graph, "w", case.filters)
    y = graph.conv_fprop(image=x, weight=w, **_settings(case.geometry))
    tensors = [x, w]
    if case.biased:
        tensors.append(_tensor(graph, "b", (1, case.filters[0], 1, 1)))
        y = graph.bias(input=y, bias=tensors[-1])
    if case.relu:
        y = graph.relu(input=y)
    y.set_dim(list(_output(case)))
    y.set_stride(_last(_output(case)))
    return [*tensors, y]


def _input_gradient(graph: Any, case: Case) -> list[Any]:
    dy, w = _tensor(graph, "dy", _output(case)), _tensor(graph, "w", case.filters)
    dx = graph.conv_dgrad(loss=dy, filter=w, **_settings(case.geometry))
    dx.set_dim(list(case.images))
    dx.set_stride(_last(case.images))
    return [dy, w, dx]


def _weight_gradient(graph: Any, case: Case) -> list[Any]:
    x, dy = _tensor(graph, "x", case.images), _tensor(graph, "dy", _output(case))
    dw = graph.conv_wgrad(image=x, loss=dy, **_settings(case.geometry))
    dw.set_dim(list(case.filters))
    dw.set_stride(_last(case.filters))
    return [x, dy, dw]


SHAPES: dict[str, Callable[[Case], list[Shape]]] = {
    "forward": lambda case: [
        case.images,
        case.filters,
        *([(case.filters[0],)] if case.biased else []),
        _output(case),
    ],
    "input": lambda case: [_output(case), case.filters, case.images],
    "weight": lambda case: [case.images, _output(case), case.filters],
}
"""Of a graph's arguments, the result last."""

MAKERS: dict[str, Callable[[Any, Case], list[Any]]] = {
    "forward": _forward,
    "input": _input_gradient,
    "weight": _weight_gradient,
}


def _case(
    direction: str,
    dtype: str,
    images: Shape,
    filters: Shape,
    geometry: Geometry,
    biased: bool = False,
    relu: bool = False,
) -> Case:
    return Case(direction, dtype, images, filters, geometry, biased, relu, blas.tensor_float32)


def _aligned(x: DeviceArray) -> DeviceArray:
    """The array itself where cuDNN likes its address, else a copy."""
    return x if x.address % ALIGNMENT == 0 else x.copy()


def _images(x: DeviceArray) -> DeviceArray:
    return _aligned(channels_last(x))


def _framed(x: DeviceArray, geometry: Geometry) -> tuple[DeviceArray, Geometry]:
    """Images whose sides are padded differently, in their frame: some of cuDNN's ways get such padding wrong."""
    if geometry.symmetric:
        return x, geometry
    return padded(x, geometry.padding), replace(geometry, padding=(0, 0, 0, 0))


def conv2d(
    x: DeviceArray, w: DeviceArray, b: DeviceArray | None, geometry: Geometry, relu: bool = False
) -> DeviceArray:
    """Convolution, plus bias, then ReLU, in one pass where cuDNN can."""
    x, geometry = _framed(x, geometry)
    name, biased = x.dtype.name, b is not None
    whole = _case("forward", name, x.shape, w.shape, geometry, biased, relu)
    y = empty_images(_output(whole), x.dtype)
    if not y.size:
        return y
    if not x.size:  # no channels, or no pixels but padding
        return tiled_conv2d(x, w, b, geometry, relu)
    images, filters = _images(x), _images(w)
    fused = plan(whole)
    if fused is not None:
        fused.run(images, filters, *([] if b is None else [_aligned(contiguous(b))]), y)
        return y
    alone = plan(_case("forward", name, x.shape, w.shape, geometry)) if biased or relu else None
    if alone is None:
        return tiled_conv2d(x, w, b, geometry, relu)
    alone.run(images, filters, y)
    return bias_relu(y, b, relu)


def conv2d_input_gradient(dy: DeviceArray, w: DeviceArray, input_size: Pair, geometry: Geometry) -> DeviceArray:
    """From dy (N, K, P, Q) to dx (N, C, H, W)."""
    if not geometry.symmetric:
        top, bottom, left, right = geometry.padding
        (H, W), bare = input_size, replace(geometry, padding=(0, 0, 0, 0))
        frame = conv2d_input_gradient(dy, w, (H + top + bottom, W + left + right), bare)
        return channels_last(frame[:, :, top : top + H, left : left + W])
    shape = (len(dy), w.shape[1] * geometry.groups, *input_size)
    case = _case("input", dy.dtype.name, shape, w.shape, geometry)
    chosen = plan(case) if dy.size and dy.shape == _output(case) else None
    if chosen is None:
        return tiled_conv2d_input_gradient(dy, w, input_size, geometry)
    dx = empty_images(shape, dy.dtype)
    if dx.size:
        chosen.run(_images(dy), _images(w), dx)
    return dx


def conv2d_weight_gradient(
    dy: DeviceArray, x: DeviceArray, kernel: Pair, geometry: Geometry, out: DeviceArray | None = None
) -> DeviceArray:
    """From dy (N, K, P, Q) and x (N, C, H, W) to dw (K, C/groups, R, S), into `out`."""
    x, geometry = _framed(x, geometry)
    shape = (dy.shape[1], x.shape[1] // geometry.groups, *kernel)
    case = _case("weight", dy.dtype.name, x.shape, shape, geometry)
    chosen = plan(case) if dy.size and x.size and dy.shape == _output(case) else None
    if chosen is None:
        return tiled_conv2d_weight_gradient(dy, x, kernel, geometry, out)
    filters = empty_images(shape, dy.dtype)
    chosen.run(_images(x), _images(dy), filters)
    dw = empty(shape, dy.dtype) if out is None else out
    dw[...] = filters
    return dw
