"""Lines of an image in a frame of its zero, of numbers that words are made of: what windows are multiplied in."""

from typing import Any

from pellucid.ops.numba_ops.compile.parts import inner, short, small
from pellucid.ops.numba_ops.integer.products import BYTES_IN_WORDS, NUMBER, NUMBERS


@inner
def _copy(source: int, target: int, count: int) -> None:
    """Bytes, as ACTIVATION."""
    given = small(source)
    if BYTES_IN_WORDS:
        taken = small(target)
        for i in range(count):
            taken[i] = given[i]
    else:
        widened = short(target)
        for i in range(count):
            widened[i] = given[i]


@inner
def _fill(target: int, number: int, count: int) -> None:
    """The same number, as ACTIVATION."""
    if BYTES_IN_WORDS:
        taken = small(target)
        for i in range(count):
            taken[i] = number
    else:
        widened = short(target)
        for i in range(count):
            widened[i] = number


@inner
def copy_lines(work: Any, n: int, above: int, lines: int, frame: int) -> None:
    """Lines from `above` on of image n as ACTIVATION, with `zero` wherever there is no image.

    work: has the image's sizes, `frame_columns`, what is `left` of the image in each line, and `zero`.
    """
    pixel, row = work.channels * NUMBER, work.frame_columns * work.channels * NUMBER
    before, inside = work.left * work.channels, min(work.width, work.frame_columns - work.left) * work.channels
    after = work.frame_columns * work.channels - before - inside
    for i in range(lines):
        line, source = frame + i * row, above + i
        if 0 <= source < work.height:
            _fill(line, work.zero, before)
            start = work.images + ((n * work.height + source) * work.width) * work.channels
            _copy(start, line + work.left * pixel, inside)
            _fill(line + (before + inside) * NUMBER, work.zero, after)
        else:
            _fill(line, work.zero, work.frame_columns * work.channels)
    _fill(frame + lines * row, work.zero, NUMBERS)  # a place's last word may reach that far
