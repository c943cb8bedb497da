"""Memory that the next block needs is asked for while this block's products run.

The products read only scratch memory, so the way to main memory is idle while they run, and the transforms wait
for it afterwards. Tiles lie in images in the order of memory, near enough: the pixels of a share of all tiles are
that share of the images' memory.
"""

from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.vectors import BYTES, Code, Integer, vector_code
from pellucid.ops.numba_ops.winograd.patches import PLAIN, UNPOOLED, Images

LINE = 64  # bytes that come at a time


@vector_code
def _lines(code: Code, start: Integer, count: Integer) -> None:
    with code.loop(count) as i:
        code.prefetch(start + i * LINE, write=False)


@vector_code
def _lines_to_write(code: Code, start: Integer, count: Integer) -> None:
    with code.loop(count) as i:
        code.prefetch(start + i * LINE, write=True)


@inner
def prefetch(images: Images, tiles: int, first: int, last: int, step: int, steps: int) -> None:
    """Ask for one of `steps` shares of what the tiles first to last - 1, of all tiles, are made from."""
    size = images.number * images.height * images.width * images.channels
    if images.kind == UNPOOLED:
        size //= 4
    begin, end = size * first // tiles, size * min(last, tiles) // tiles
    start, stop = begin + (end - begin) * step // steps, begin + (end - begin) * (step + 1) // steps
    number = BYTES[images.form]
    lines = ((stop - start) * number + LINE - 1) // LINE
    _lines(images.values + start * number, lines)
    if images.kind != PLAIN:
        _lines(images.outputs + start * number, lines)
    if images.kind == UNPOOLED:
        _lines(images.winners + start, (stop - start + LINE - 1) // LINE)


@inner
def prefetch_output(values: int, size: int, tiles: int, first: int, last: int, step: int, steps: int) -> None:
    """The same for an output of `size` bytes, to be written."""
    begin, end = size * first // tiles, size * last // tiles
    start, stop = begin + (end - begin) * step // steps, begin + (end - begin) * (step + 1) // steps
    _lines_to_write(values + start, (stop - start + LINE - 1) // LINE)


@inner
def prefetch_share(start: int, size: int, step: int, steps: int) -> None:
    """Ask for one of `steps` shares of so many bytes, to be read."""
    begin, end = size * step // steps, size * (step + 1) // steps
    _lines(start + begin, (end - begin + LINE - 1) // LINE)
