"""Vector instructions for Numba: Python that is run once, at compile time, and writes the machine's instructions.

LLVM turns plain loops into vector instructions, but it cannot be told to keep a block of twelve accumulators in
registers. So the innermost pieces of the kernels are functions like this one, marked `@vector_code`:

    @vector_code
    def add_rows(code, x, y, out, count):
        with code.loop(count) as i:
            step = i * VECTOR
            code.store(out + step, code.load(x + step) + code.load(y + step))

Numba's functions call them as `add_rows(x, y, out, count)` with integers: addresses in bytes, distances in bytes,
counts. Inside, an argument is an `Integer` and `code.load` gives a `Vector`, neighbouring float32 in one register;
arithmetic on either writes the instruction. A Python `for` or `if` decides what is written, `code.loop` and
`code.when` are loops and branches of the machine.

One register holds LANES numbers: 16 with AVX-512, 8 with AVX2, else 4 (SSE, NEON; see `instructions`); the
environment variable PELLUCID_VECTOR_WIDTH overrides it, and LLVM splits what is wider than the machine's registers.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile import bfloat16, float16
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.registers import (
    BFLOAT16,
    BYTES,
    FLOAT,
    FLOAT16,
    FLOAT32,
    LANES,
    VECTOR,
    Integer,
    Mask,
    Vector,
)

__all__ = [
    "BFLOAT16",
    "BYTES",
    "FLOAT",
    "FLOAT16",
    "FLOAT32",
    "LANES",
    "VECTOR",
    "Code",
    "Integer",
    "Mask",
    "Variable",
    "Vector",
    "address",
    "vector_code",
]

_REAL, _WORD, _BYTE, _INDEX = ir.FloatType(), ir.IntType(32), ir.IntType(8), ir.IntType(64)
_VECTOR_TYPE = ir.VectorType(_REAL, LANES)
_MASK_TYPE = ir.VectorType(ir.IntType(1), LANES)
_WORDS_TYPE = ir.VectorType(_WORD, LANES)
_BYTES_TYPE = ir.VectorType(_BYTE, LANES)
_HALF_WORDS_TYPE = ir.VectorType(ir.IntType(16), LANES)


class Code:
    """Where a function marked `@vector_code` writes its instructions."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def integer(self, value: int) -> Integer:
        """A constant integer."""
        return Integer(self.builder, ir.Constant(_INDEX, value))

    def number(self, value: float) -> Vector:
        """The same constant in every lane."""
        return Vector(self.builder, ir.Constant(_VECTOR_TYPE, [value] * LANES))

    def either(self, flag: Integer, yes: float, no: float) -> Vector:
        """A constant in every lane: `yes` if the flag is not 0, else `no`."""
        chosen = self.builder.icmp_signed("!=", flag.value, ir.Constant(_INDEX, 0))
        return Vector(self.builder, self.builder.select(chosen, self.number(yes).value, self.number(no).value))

    def _pointer(self, address: Integer, kind: Any) -> Any:
        return self.builder.inttoptr(address.value, kind.as_pointer())

    def load(self, address: Integer) -> Vector:
        """LANES float32 from memory, at any alignment."""
        value = self.builder.load(self._pointer(address, _VECTOR_TYPE), typ=_VECTOR_TYPE)
        value.align = FLOAT
        return Vector(self.builder, value)

    def store(self, address: Integer, vector: Vector) -> None:
        """LANES float32 to memory, at any alignment."""
        self.builder.store(vector.value, self._pointer(address, _VECTOR_TYPE)).align = FLOAT

    def load_form(self, address: Integer, form: int) -> Vector:
        """LANES numbers of a form, as float32."""
        if form == FLOAT32:
            return self.load(address)
        value = self.builder.load(self._pointer(address, _HALF_WORDS_TYPE), typ=_HALF_WORDS_TYPE)
        value.align = 2
        widened = (float16 if form == FLOAT16 else bfloat16).widened(self.builder, value)
        return Vector(self.builder, widened)

    def store_form(self, address: Integer, vector: Vector, form: int) -> None:
        """The lanes rounded to the nearest number of a form; see `bfloat16` on the smallest."""
        if form == FLOAT32:
            self.store(address, vector)
            return
        value = (float16 if form == FLOAT16 else bfloat16).narrowed(self.builder, vector.value)
        self.builder.store(value, self._pointer(address, _HALF_WORDS_TYPE)).align = 2

    def store_bfloat16(self, address: Integer, vector: Vector, count: Integer | None = None) -> None:
        """All lanes, or the first `count`, rounded to the nearest: see `bfloat16`."""
        value = bfloat16.narrowed(self.builder, vector.value)
        if count is None:
            self.builder.store(value, self._pointer(address, _HALF_WORDS_TYPE)).align = 2
        else:
            self._masked_store(address, value, count, "i16", 2)

    def copy_words(self, source: Integer, target: Integer, count: Integer | None = None) -> None:
        """LANES numbers of 16 bits, or the first `count`, from one place to another."""
        if count is not None:
            value = self._masked_load(source, count, _HALF_WORDS_TYPE, [0] * LANES)
            self._masked_store(target, value, count, "i16", 2)
            return
        value = self.builder.load(self._pointer(source, _HALF_WORDS_TYPE), typ=_HALF_WORDS_TYPE)
        value.align = 2
        self.builder.store(value, self._pointer(target, _HALF_WORDS_TYPE)).align = 2

    def store_pairs(self, address: Integer, x: Integer, y: Integer | None, count: Integer | None = None) -> None:
        """LANES numbers of 16 bits from each of two places side by side: x[0] y[0] x[1] y[1] ...; y None is zeros.

        count: so many of them, and zeros for the others.
        """
        pairs = self._wide_words(x, count)
        if y is not None:
            pairs = self.builder.or_(pairs, self.builder.shl(self._wide_words(y, count), self._word(16)))
        self.builder.store(pairs, self._pointer(address, _WORDS_TYPE)).align = FLOAT

    def _wide_words(self, address: Integer, count: Integer | None) -> Any:
        """Numbers of 16 bits from memory, each in 32."""
        if count is not None:
            value = self._masked_load(address, count, _HALF_WORDS_TYPE, [0] * LANES)
        else:
            value = self.builder.load(self._pointer(address, _HALF_WORDS_TYPE), typ=_HALF_WORDS_TYPE)
            value.align = 2
        return self.builder.zext(value, _WORDS_TYPE)

    def _word(self, value: int) -> Any:
        return ir.Constant(_WORDS_TYPE, [value] * LANES)

    def broadcast(self, address: Integer) -> Vector:
        """One float32 from memory to every lane."""
        return self._fill(self._scalar(address))

    def _scalar(self, address: Integer) -> Any:
        value = self.builder.load(self._pointer(address, _REAL), typ=_REAL)
        value.align = FLOAT
        return value

    def _fill(self, scalar: Any) -> Vector:
        undefined = ir.Constant(_VECTOR_TYPE, ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, ir.Constant(_WORD, 0))
        lanes = ir.Constant(_WORDS_TYPE, [0] * LANES)
        return Vector(self.builder, self.builder.shuffle_vector(one, undefined, lanes))

    def gather(self, addresses: list[Integer]) -> Vector:
        """One float32 from each of LANES addresses."""
        value = ir.Constant(_VECTOR_TYPE, ir.Undefined)
        for lane, address in enumerate(addresses):
            value = self.builder.insert_element(value, self._scalar(address), ir.Constant(_WORD, lane))
        return Vector(self.builder, value)

    def scatter(self, addresses: list[Integer], vector: Vector) -> None:
        """One lane to each address; of equal addresses the first lane stays."""
        for lane, address in reversed(list(enumerate(addresses))):
            scalar = self.builder.extract_element(vector.value, ir.Constant(_WORD, lane))
            self.builder.store(scalar, self._pointer(address, _REAL)).align = FLOAT

    def transposed(self, rows: list[Vector]) -> list[Vector]:
        """LANES registers as a square matrix, transposed: rows exchange ever larger blocks (Eklundh 1972)."""
        rows = list(rows)
        block = 1
        while block < LANES:
            for i in range(LANES):
                if i & block == 0:
                    rows[i], rows[i + block] = self._exchanged(rows[i], rows[i + block], block)
            block *= 2
        return rows

    def _exchanged(self, upper: Vector, lower: Vector, block: int) -> tuple[Vector, Vector]:
        """Two rows after the blocks above the diagonal went to where the blocks below it were, and these there."""
        first = [lane if lane & block == 0 else LANES + lane - block for lane in range(LANES)]
        second = [lane + block if lane & block == 0 else LANES + lane for lane in range(LANES)]
        rows = [
            self.builder.shuffle_vector(upper.value, lower.value, ir.Constant(_WORDS_TYPE, order))
            for order in (first, second)
        ]
        return Vector(self.builder, rows[0]), Vector(self.builder, rows[1])

    def _first(self, count: Integer) -> Any:
        """Mask of the first `count` lanes."""
        short = self.builder.trunc(count.value, _WORD)
        one = self.builder.insert_element(ir.Constant(_WORDS_TYPE, ir.Undefined), short, ir.Constant(_WORD, 0))
        many = self.builder.shuffle_vector(one, one, ir.Constant(_WORDS_TYPE, [0] * LANES))
        return self.builder.icmp_signed("<", ir.Constant(_WORDS_TYPE, list(range(LANES))), many)

    def load_first(self, address: Integer, count: Integer) -> Vector:
        """The first `count` lanes from memory, 0 in the others, whose memory is not touched."""
        return Vector(self.builder, self._masked_load(address, count, _VECTOR_TYPE, [0.0] * LANES))

    def _masked_load(self, address: Integer, count: Integer, kind: Any, otherwise: list[Any]) -> Any:
        pointer = self._pointer(address, kind)
        element, size = {_VECTOR_TYPE: ("f32", FLOAT), _HALF_WORDS_TYPE: ("i16", 2), _BYTES_TYPE: ("i8", 1)}[kind]
        name = f"llvm.masked.load.v{LANES}{element}.p0"
        signature = ir.FunctionType(kind, [pointer.type, _WORD, _MASK_TYPE, kind])
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        align = ir.Constant(_WORD, size)
        return self.builder.call(function, [pointer, align, self._first(count), ir.Constant(kind, otherwise)])

    def store_first(self, address: Integer, vector: Vector, count: Integer) -> None:
        """The first `count` lanes to memory; the rest of the memory is not touched."""
        self._masked_store(address, vector.value, count, "f32", FLOAT)

    def _masked_store(self, address: Integer, value: Any, count: Integer, kind: str, alignment: int) -> None:
        pointer = self._pointer(address, value.type)
        signature = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, _WORD, _MASK_TYPE])
        name = f"llvm.masked.store.v{LANES}{kind}.p0"
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        self.builder.call(function, [value, pointer, ir.Constant(_WORD, alignment), self._first(count)])

    def load_bytes_first(self, address: Integer, count: Integer) -> Any:
        """`count` bytes from memory, 0 in the other lanes."""
        return self._masked_load(address, count, _BYTES_TYPE, [0] * LANES)

    def load_bytes(self, address: Integer) -> Any:
        """LANES bytes from memory."""
        value = self.builder.load(self._pointer(address, _BYTES_TYPE), typ=_BYTES_TYPE)
        value.align = 1
        return value

    def equal(self, small: Any, number: Integer) -> Mask:
        """Where bytes equal a number."""
        byte = self.builder.trunc(number.value, _BYTE)
        one = self.builder.insert_element(ir.Constant(_BYTES_TYPE, ir.Undefined), byte, ir.Constant(_WORD, 0))
        many = self.builder.shuffle_vector(one, one, ir.Constant(_WORDS_TYPE, [0] * LANES))
        return Mask(self.builder, self.builder.icmp_signed("==", small, many))

    def store_bytes(self, address: Integer, vector: Vector) -> None:
        """The lanes, small whole numbers, as bytes."""
        pointer = self._pointer(address, _BYTES_TYPE)
        self.builder.store(self._bytes(vector), pointer).align = 1

    def copy_bytes_first(self, source: Integer, target: Integer, count: Integer) -> None:
        """`count` of LANES bytes from one place to another."""
        self._masked_store(target, self.load_bytes(source), count, "i8", 1)

    def store_small_first(self, address: Integer, value: Any, count: Integer) -> None:
        """The first `count` of LANES bytes to memory."""
        self._masked_store(address, value, count, "i8", 1)

    def _bytes(self, vector: Vector) -> Any:
        return self.builder.trunc(self.builder.fptosi(vector.value, _WORDS_TYPE), _BYTES_TYPE)

    def prefetch(self, address: Integer, write: bool) -> None:
        """Bring a cache line near that will be read, or written, soon."""
        pointer = self._pointer(address, _BYTE)
        signature = ir.FunctionType(ir.VoidType(), [pointer.type, _WORD, _WORD, _WORD])
        function = cgutils.get_or_insert_function(self.builder.module, signature, "llvm.prefetch.p0")
        options = [ir.Constant(_WORD, value) for value in (int(write), 2, 1)]  # locality 2: the second-level cache
        self.builder.call(function, [pointer, *options])

    def variable(self, value: Vector) -> "Variable":
        """A register whose contents change in a loop."""
        return Variable(self, value)

    def memory(self, vectors: int) -> Integer:
        """Address of room for some vectors, on the stack."""
        place = cgutils.alloca_once(self.builder, _VECTOR_TYPE, size=vectors)
        return Integer(self.builder, self.builder.ptrtoint(place, _INDEX))

    @contextmanager
    def loop(self, count: "Integer | int") -> Iterator[Integer]:
        """What is written inside runs `count` times, with the index 0, 1, 2 ...; LLVM leaves the loop as it is."""
        builder, last = self.builder, count if isinstance(count, Integer) else self.integer(count)
        before = builder.block
        body, after = builder.append_basic_block("body"), builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed(">", last.value, ir.Constant(_INDEX, 0)), body, after)
        builder.position_at_end(body)
        index = builder.phi(_INDEX)
        index.add_incoming(ir.Constant(_INDEX, 0), before)
        yield Integer(builder, index)
        following = builder.add(index, ir.Constant(_INDEX, 1))
        index.add_incoming(following, builder.block)
        again = builder.cbranch(builder.icmp_signed("<", following, last.value), body, after)
        again.set_metadata("llvm.loop", _KeepLoop(builder.module))
        builder.position_at_end(after)

    @contextmanager
    def when(self, flag: Integer) -> Iterator[None]:
        """What is written inside runs if the flag is not 0."""
        builder = self.builder
        body, after = builder.append_basic_block("then"), builder.append_basic_block("after")
        builder.cbranch(builder.icmp_signed("!=", flag.value, ir.Constant(_INDEX, 0)), body, after)
        builder.position_at_end(body)
        yield
        builder.branch(after)
        builder.position_at_end(after)


class _KeepLoop(ir.values.MDValue):  # type: ignore[misc]
    """Tells LLVM not to unroll a loop: what should be unrolled is written so, and short loops suffer from it."""

    def __init__(self, module: Any) -> None:
        option = module.add_metadata([ir.MetaDataString(module, "llvm.loop.unroll.disable")])
        super().__init__(module, [option], name=str(len(module.metadata)))

    def descr(self, buffer: list[str]) -> None:
        """A loop's metadata is a node that begins with itself."""
        buffer.append(f"distinct !{{ {self.get_reference()}, {self.operands[0].get_reference()} }}\n")


class Variable:
    """A register whose contents change in a loop."""

    def __init__(self, code: Code, value: Vector) -> None:
        self._code = code
        self._place = cgutils.alloca_once(code.builder, _VECTOR_TYPE)
        self.set(value)

    def get(self) -> Vector:
        """The contents now."""
        return Vector(self._code.builder, self._code.builder.load(self._place))

    def set(self, value: Vector) -> None:
        """Replace the contents."""
        self._code.builder.store(value.value, self._place)


def vector_code(write: Callable[..., None]) -> Any:
    """Make a function for Numba's functions to call from one that writes vector instructions; see above."""
    names = list(inspect.signature(write).parameters)[1:]

    def typed(context: Any, *arguments: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            write(Code(builder), *[Integer(builder, value) for value in values])
            return context.get_dummy_value()

        return types.void(*[types.int64] * len(names)), generate

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    typed.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in ["context", *names]]
    )
    typed.__name__, typed.__doc__ = write.__name__, write.__doc__
    return intrinsic(typed)


@jit()
def address(array: Array) -> int:
    """Address of an array's first element. The caller keeps the array alive."""
    return array.ctypes.data
