"""The convolution of images with filters, from block to block of tiles."""

from typing import NamedTuple

from pellucid.ops.numba_ops.compile.parts import inner, parted, places, read, share
from pellucid.ops.numba_ops.compile.vectors import BYTES, FLOAT, LANES, VECTOR
from pellucid.ops.numba_ops.winograd.filters import FILTER, panel_plane, transform_filters, transform_ordered
from pellucid.ops.numba_ops.winograd.outputs import Target, transform_outputs
from pellucid.ops.numba_ops.winograd.patches import Images
from pellucid.ops.numba_ops.winograd.prefetch import prefetch, prefetch_output, prefetch_share
from pellucid.ops.numba_ops.winograd.product import BESIDE, PANEL, ROWS, SKEW, multiply, multiply_beside
from pellucid.ops.numba_ops.winograd.tiles import Grid, transform_patches
from pellucid.ops.numba_ops.winograd.transforms import POINTS


class Filters(NamedTuple):
    """Filters and where their transform is kept; distances in bytes."""

    values: int
    input_stride: int
    output_stride: int
    rotated: int
    transformed: int
    passing: int  # bytes a part of a group's transform, which the next one's takes the place of; 0 where all are kept
    some: int  # inputs that are then transformed at a time
    ordered: int  # whether the values then lie in panels, as `filters.ordered` puts them


class Work(NamedTuple):
    """How the work is cut: the parts, and the blocks of each part."""

    parts: int
    by_channels: int  # whether a part is some panels of all tiles, else all panels of some tiles
    block: int  # tiles at a time, a multiple of ROWS
    group: int  # panels at a time
    scratch: int  # address
    scratch_size: int  # bytes a part


@inner
def _transform_group(
    images: Images, filters: Filters, target: Target, u: int, group: int, last: int, begin: int, count: int
) -> None:
    """Inputs `begin` to begin + count - 1 of panels `group` to last - 1, transformed to u."""
    plane = panel_plane(count)
    for panel in range(group, last):
        to = u + (panel - group) * POINTS * plane
        if filters.ordered:
            place = (panel * images.channels + begin) * FILTER * PANEL
            transform_ordered(filters.values + place, count, to, plane)
        else:
            outputs = target.channels - panel * PANEL
            place = begin * filters.input_stride + panel * PANEL * filters.output_stride
            transform_filters(
                filters.values + place, count, filters.input_stride, outputs, filters.output_stride, filters.rotated,
                to, 0, count,
            )  # fmt: skip


@inner
def _prefetch_filters(
    images: Images, filters: Filters, group: int, last: int, end: int, begin: int, step: int
) -> None:
    """Ask for a share of the filters that are transformed next: from input `begin` on, or of the next group."""
    if begin >= images.channels:
        group, last, begin = last, min(last + last - group, end), 0
    count = min(filters.some, images.channels - begin)
    for panel in range(group, last):
        place = (panel * images.channels + begin) * FILTER * PANEL
        prefetch_share(filters.values + place, count * FILTER * PANEL, step, POINTS)


@inner
def _convolve(images: Images, filters: Filters, target: Target, grid: Grid, work: Work, part: int) -> None:
    """One part of the output."""
    tiles, panels = images.number * grid.rows * grid.columns, (target.channels + PANEL - 1) // PANEL
    first_tile, last_tile, first_panel, last_panel = 0, tiles, 0, panels
    if work.by_channels:
        groups = (panels + BESIDE - 1) // BESIDE
        first_group, last_group = share(groups, part, work.parts)
        first_panel, last_panel = first_group * BESIDE, min(last_group * BESIDE, panels)
    else:
        first_unit, last_unit = share((tiles + ROWS - 1) // ROWS, part, work.parts)
        first_tile, last_tile = first_unit * ROWS, min(last_unit * ROWS, tiles)
    depth = images.channels
    v_row, m_row = (depth + LANES - 1) // LANES * VECTOR, work.group * PANEL * FLOAT
    v_plane, m_plane = work.block * v_row + SKEW, work.block * m_row + SKEW
    v = work.scratch + part * work.scratch_size
    m = v + POINTS * v_plane
    patch = m + POINTS * m_plane
    output = images.number * target.height * target.width * target.channels // (4 if target.winners else 1)
    some = filters.some if filters.passing else depth
    for first in range(first_tile, last_tile, work.block):
        count = min(work.block, last_tile - first)
        transform_patches(images, grid, first, count, v, v_plane, patch)
        for group in range(first_panel, last_panel, work.group):
            last = min(group + work.group, last_panel)
            for begin in range(0, depth, some):
                deep = min(some, depth - begin)
                u_plane = panel_plane(deep)
                us = filters.transformed + group * POINTS * u_plane
                if filters.passing:
                    us = filters.transformed + part * filters.passing
                    _transform_group(images, filters, target, us, group, last, begin, deep)
                for p in range(POINTS):
                    left = v + p * v_plane + begin * FLOAT
                    for panel in range(group, last, BESIDE):
                        u = us + ((panel - group) * POINTS + p) * u_plane
                        out = m + p * m_plane + (panel - group) * PANEL * FLOAT
                        if panel + BESIDE <= last:
                            multiply_beside(left, v_row, u, POINTS * u_plane, out, m_row, count, deep, begin)
                        else:
                            multiply(left, v_row, u, out, m_row, count, deep, begin)
                    if filters.ordered:
                        _prefetch_filters(images, filters, group, last, last_panel, begin + some, p)
                    if group == first_panel and begin == 0:
                        prefetch(images, tiles, first + count, first + count + work.block, p, POINTS)
                        prefetch_output(
                            target.values, output * BYTES[target.form], tiles, first, first + count, p, POINTS
                        )
            k = group * PANEL
            channels = min(last * PANEL, target.channels) - k
            transform_outputs(m, m_plane, m_row, target, grid, first, count, k, channels, patch)


_IMAGES, _TARGET, _FILTERS, _GRID, _WORK = places(Images, Target, Filters, Grid, Work)


@parted(stages=2)
def convolve(arguments: int, stage: int, part: int) -> None:
    """The whole convolution: filters first, then the output. Jobs: Images, Target, Filters, Grid, Work."""
    images, target, filters = (
        read(Images, arguments, _IMAGES),
        read(Target, arguments, _TARGET),
        read(Filters, arguments, _FILTERS),
    )
    grid, work = read(Grid, arguments, _GRID), read(Work, arguments, _WORK)
    if stage == 1:
        _convolve(images, filters, target, grid, work, part)
    elif not filters.passing:
        rows = (target.channels + PANEL - 1) // PANEL * images.channels
        first, last = share(rows, part, work.parts)
        transform_filters(
            filters.values, images.channels, filters.input_stride, target.channels, filters.output_stride,
            filters.rotated, filters.transformed, first, last,
        )  # fmt: skip
