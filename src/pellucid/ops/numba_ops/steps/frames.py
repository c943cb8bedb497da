"""Products of windows that are read where they lie: of lines of images with zeros around them.

Along a line of an image the windows of neighbouring places begin `right` pixels apart, so that a block of places is a
left factor whose rows overlap, for each line of the window. Nothing is copied but the lines of the image, once, with
the zeros that windows at the rim see; where none hangs over the rim, not even these.
"""

from itertools import pairwise

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.numba_ops.compile.parts import inner
from pellucid.ops.numba_ops.compile.tiles import configure, release
from pellucid.ops.numba_ops.compile.vectors import BYTES, FLOAT, FLOAT32, VECTOR
from pellucid.ops.numba_ops.steps.blocks import PANELS, multiply_blocks
from pellucid.ops.numba_ops.steps.windows import SLACK, Product, clear, take
from pellucid.ops.numba_ops.winograd.product import PANEL

CACHE = 192 * 1024  # bytes of lines at a time; filters share the second-level cache with them
LEAST_COLUMNS = 5  # places of a line from which on it pays: blocks don't reach from one to the next
DEEP = 512  # numbers, or pairs, of windows at a time: of two panels they stay in a cache from block to block


@inner
def _copy_lines(work: Product, n: int, line: int, count: int, width: int, out: int) -> None:
    """Lines `line` to `line` + count - 1 of image n and what is around it, `width` pixels from column `before` on."""
    pixel, stored = work.channels * BYTES[work.form], work.channels * BYTES[work.stored]
    left = min(width, max(0, -work.before))
    right = max(left, min(width, work.width - work.before))
    for i in range(line, line + count):
        if 0 <= i < work.height:
            clear(out, (left * pixel + VECTOR - 1) // VECTOR)
            source = work.pixels + ((n * work.height + i) * work.width + work.before + left) * stored
            take(work, source, (right - left) * work.channels, out + left * pixel)
            clear(out + right * pixel, ((width - right) * pixel + VECTOR - 1) // VECTOR)
        else:
            clear(out, (width * pixel + VECTOR - 1) // VECTOR)
        out += width * pixel


@inner
def multiply_lines(work: Product, first: int, last: int, first_panel: int, last_panel: int, frame: int) -> None:
    """Some panels of lines `first` to `last` - 1 of the output, counted through all images; frame: scratch memory."""
    taps = work.depth // (work.lines * work.channels)
    pixel, out_pixel = work.channels * BYTES[work.form], work.filters * FLOAT
    pairs = 1 if work.form == FLOAT32 else 2
    depth, deep = work.depth // pairs, taps * work.channels // pairs  # of a window, and of a line of it
    width = (work.columns - 1) * work.right + taps if work.framed else work.width
    some = max(1, DEEP // deep)  # lines of the window at a time, or a part of one
    part = min(deep, DEEP)
    if work.tile_rows:
        configure(work.tiles)
    number = first
    while number < last:
        n, p = divmod(number, work.rows)
        count = min(work.group, last - number, work.rows - p)
        line = p * work.down + work.above
        left = frame
        if work.framed:
            _copy_lines(work, n, line, (count - 1) * work.down + (work.lines - 1) * work.apart + 1, width, frame)
        else:
            left = work.pixels + ((n * work.height + line) * work.width + work.before) * pixel
        for u in range(0, work.lines, some):
            lines = min(some, work.lines - u)
            for begin in range(0, deep, part):
                numbers = min(part, deep - begin)
                done = u * deep + begin  # of the depth, before these
                ends = u + lines == work.lines and begin + numbers == deep
                bounds = work.bounds if ends else work.open
                x = left + u * work.apart * width * pixel + begin * FLOAT
                for panel in range(first_panel, last_panel, PANELS):
                    k = panel * PANEL
                    right = work.panels + (panel * depth + done) * (PANEL * FLOAT)
                    for q in range(count):
                        at = (number + q) * work.columns * out_pixel + k * FLOAT
                        out = work.output + at
                        sums, sums_row = (out, out_pixel) if done else (work.bias + k * FLOAT, 0)
                        added = work.added + at if ends and work.added else 0
                        multiply_blocks(
                            work.form, PANELS, x + q * work.down * width * pixel, work.right * pixel, right,
                            depth * (PANEL * FLOAT), sums, sums_row, bounds, added, out, out_pixel, numbers, lines,
                            work.apart * width * pixel, work.columns, min(last_panel * PANEL, work.filters) - k,
                            work.tile_rows,
                        )  # fmt: skip
        number += count
    if work.tile_rows:
        release()


def framing(
    images: tuple[int, int, int, int], stored: int, form: int, size: Pair, stride: Pair, taps: list[Array], lines: int
) -> tuple[dict[str, int], int] | None:
    """Fields of a product whose windows are read where they lie, and bytes of scratch memory; None where they aren't.

    images: (N, H, W, C), of form `stored`; form: that of the factors. taps: offsets on each axis. lines: of the
    output that a part has.
    """
    _, H, W, C = images
    rows, columns = ([int(offset) for offset in axis] for axis in taps)
    apart = rows[1] - rows[0] if len(rows) > 1 else 1
    even = form == FLOAT32 or len(columns) * C % 2 == 0
    alike = columns == list(range(columns[0], columns[0] + len(columns))) and all(
        after - before == apart > 0 for before, after in pairwise(rows)
    )
    if not (even and alike) or size[1] < LEAST_COLUMNS:
        return None
    inside = rows[0] >= 0 <= columns[0]
    inside = inside and (size[0] - 1) * stride[0] + rows[-1] < H and (size[1] - 1) * stride[1] + columns[-1] < W
    framed = not inside or stored != form
    width, span = (size[1] - 1) * stride[1] + len(columns), (len(rows) - 1) * apart + 1
    line = width * C * BYTES[form]
    group = max(1, min(lines, size[0], (CACHE // line - span) // stride[0] + 1))
    scratch = ((group - 1) * stride[0] + span) * line + SLACK if framed else 0
    fields = {"group": group, "framed": int(framed), "above": rows[0], "before": columns[0]}
    return fields | {"lines": len(rows), "apart": apart}, scratch
