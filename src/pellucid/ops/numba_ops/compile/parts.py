"""Work in parts, on several threads, with one small parallel loop for all kernels.

Numba compiles everything that a parallel loop calls three times over: as itself, inside the loop's body, and
inside the function around the loop. A large kernel spends ten seconds on that. Here the loop only knows the
address of a function that does one part, so each is compiled once:

    class Job(NamedTuple):            # integers: addresses, sizes, counts
        x: int
        length: int

    @parted(stages=1)
    def kernel(arguments: int, stage: int, part: int) -> None:
        job = read(Job, arguments, 0)
        ...

    kernel(parts, Job(address(x), x.size))

Several named tuples lie behind each other; `places` says where. All parts of a stage are done before the next begins.
"""

from array import array
from collections.abc import Callable
from functools import cached_property
from itertools import accumulate, chain
from typing import Any

import numba
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from pellucid.ops.cores import threads
from pellucid.ops.numba_ops.compile import threads as waking
from pellucid.ops.numba_ops.compile.jit import jit

_INDEX = ir.IntType(64)

# Decorator of functions that only kernels call: not kept by themselves, and not callable from Python.
inner = jit(cache=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def places(*jobs: Any) -> tuple[int, ...]:
    """How many integers lie before each of some named tuples behind each other."""
    return tuple(accumulate((len(job._fields) for job in jobs[:-1]), initial=0))


@intrinsic  # type: ignore[untyped-decorator]
def read(context: Any, kind: Any, place: Any, skipped: Any) -> Any:
    """The named tuple of integers that lies at an address, behind some integers that are skipped."""
    result = types.NamedUniTuple(types.int64, len(kind.instance_class._fields), kind.instance_class)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = builder.inttoptr(values[1], _INDEX.as_pointer())
        start = builder.gep(start, [values[2]], source_etype=_INDEX)
        places = [builder.gep(start, [ir.Constant(_INDEX, i)], source_etype=_INDEX) for i in range(len(result))]
        return context.make_tuple(builder, result, [builder.load(p, typ=_INDEX) for p in places])

    return result(kind, types.int64, types.int64), generate


def _numbers(kind: Any, told: str) -> Any:
    """An intrinsic that sees the numbers of a type at an address."""

    def numbers(context: Any, place: Any) -> Any:
        pointer = types.CPointer(kind)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(pointer))

        return pointer(types.int64), generate

    numbers.__doc__ = told
    return intrinsic(numbers)


wholes = _numbers(types.int64, "The int64 that lie at an address, to be read by number.")
floats = _numbers(types.float32, "The float32 that lie at an address, to be read and written by number.")
words = _numbers(types.int32, "The int32 that lie at an address.")
small = _numbers(types.uint8, "The bytes that lie at an address.")
short = _numbers(types.int16, "The int16 that lie at an address.")


@intrinsic  # type: ignore[untyped-decorator]
def _call(context: Any, function: Any, arguments: Any, stage: Any, part: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_INDEX] * 3)
        builder.call(builder.inttoptr(values[0], kind.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), generate


@jit(parallel=True)
def _run(function: int, stages: int, parts: int, arguments: int) -> None:
    for stage in range(stages):
        for part in prange(parts):
            _call(function, arguments, stage, part)


@jit(parallel=True)
def run_all(program: Any, first: int, last: int) -> None:
    """Run lines `first` to `last` - 1 of a program one after the other.

    A line is (function, first stage, one past the last, parts, address of the arguments). What has one part runs
    without waking a thread.
    """
    for line in range(first, last):
        function, parts, arguments = program[line, 0], program[line, 3], program[line, 4]
        for stage in range(program[line, 1], program[line, 2]):
            if parts == 1:
                _call(function, arguments, stage, 0)
            else:
                for part in prange(parts):
                    _call(function, arguments, stage, part)


@inner
def share(total: int, part: int, parts: int) -> tuple[int, int]:
    """First and one past the last of this part's share."""
    return total * part // parts, total * (part + 1) // parts


# Multiply-adds of a direct convolution that one thread does while a second wakes up and the first waits for it.
ALONE = 4_000_000


def thread_count(multiply_adds: int = ALONE) -> int:
    """How many threads a kernel of so much work runs on: into so many parts it is cut."""
    return 1 if multiply_adds < ALONE else min(threads(), numba.config.NUMBA_NUM_THREADS)


class Parted:
    """A kernel that does one part of its work at a call, to be run for all parts."""

    def __init__(self, function: Callable[[int, int, int], None], stages: int) -> None:
        self._function, self.stages = function, stages
        self.__name__, self.__doc__ = function.__name__, function.__doc__

    @cached_property
    def _kernel(self) -> Any:
        return jit()(self._function)

    @cached_property
    def address(self) -> int:
        """Where its machine code lies."""
        signature = (types.int64, types.int64, types.int64)
        self._kernel.compile(signature)
        compiled = self._kernel.overloads[signature]
        return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cfunc_wrapper_name))

    def __call__(self, parts: int, *jobs: tuple[int, ...]) -> None:
        """Do parts 0 to parts - 1, on as many threads as there are; the jobs are named tuples of integers."""
        arguments = array("q", chain.from_iterable(jobs))
        place = arguments.buffer_info()[0]
        if parts == 1 or not waking.prepare():
            _run.serial(self.address, self.stages, parts, place)
        else:  # what calling `_run` does, without one more frame
            with waking.LOCK:
                _run.parallel(self.address, self.stages, parts, place)


def parted(stages: int) -> Callable[[Callable[[int, int, int], None]], Parted]:
    """Decorator: see above."""
    return lambda function: Parted(function, stages)
