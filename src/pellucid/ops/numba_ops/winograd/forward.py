"""The convolution of images with filters, from block to block of tiles."""

from typing import NamedTuple

from pellucid.ops.numba_ops.compile.parts import inner, parted, places, read, share
from pellucid.ops.numba_ops.compile.vectors import BYTES, FLOAT, LANES, VECTOR
from pellucid.ops.numba_ops.winograd.filters import panel_plane, transform_filters
from pellucid.ops.numba_ops.winograd.outputs import Target, transform_outputs
from pellucid.ops.numba_ops.winograd.patches import Images
from pellucid.ops.numba_ops.winograd.prefetch import prefetch, prefetch_output
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS, SKEW, multiply
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


class Work(NamedTuple):
    """How the work is cut: the parts, and the blocks of each part."""

    parts: int
    by_channels: int  # whether a part is some panels of all tiles, else all panels of some tiles
    block: int  # tiles at a time, a multiple of ROWS
    group: int  # panels at a time
    scratch: int  # address
    scratch_size: int  # bytes a part


@inner
def _transform(images: Images, filters: Filters, target: Target, u: int, first: int, last: int) -> None:
    """Rows `first` to `last` - 1 of the filters' transform, which begins at u."""
    transform_filters(
        filters.values, images.channels, filters.input_stride, target.channels, filters.output_stride,
        filters.rotated, u, first, last,
    )  # fmt: skip


@inner
def _convolve(images: Images, filters: Filters, target: Target, grid: Grid, work: Work, part: int) -> None:
    """One part of the output."""
    tiles, panels = images.number * grid.rows * grid.columns, (target.channels + PANEL - 1) // PANEL
    first_tile, last_tile, first_panel, last_panel = 0, tiles, 0, panels
    if work.by_channels:
        first_panel, last_panel = share(panels, part, work.parts)
    else:
        first_unit, last_unit = share((tiles + ROWS - 1) // ROWS, part, work.parts)
        first_tile, last_tile = first_unit * ROWS, min(last_unit * ROWS, tiles)
    depth = images.channels
    v_row, m_row = (depth + LANES - 1) // LANES * VECTOR, work.group * PANEL * FLOAT
    v_plane, m_plane = work.block * v_row + SKEW, work.block * m_row + SKEW
    u_plane = panel_plane(depth)
    v = work.scratch + part * work.scratch_size
    m = v + POINTS * v_plane
    patch = m + POINTS * m_plane
    output = images.number * target.height * target.width * target.channels // (4 if target.winners else 1)
    for first in range(first_tile, last_tile, work.block):
        count = min(work.block, last_tile - first)
        transform_patches(images, grid, first, count, v, v_plane, patch)
        for group in range(first_panel, last_panel, work.group):
            last = min(group + work.group, last_panel)
            us = filters.transformed
            if filters.passing:
                us += part * filters.passing - group * POINTS * u_plane
                _transform(images, filters, target, us, group * depth, last * depth)
            for p in range(POINTS):
                for panel in range(group, last):
                    u = us + (panel * POINTS + p) * u_plane
                    out = m + p * m_plane + (panel - group) * PANEL * FLOAT
                    multiply(v + p * v_plane, v_row, u, out, m_row, count, depth)
                if group == first_panel:
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
        _transform(images, filters, target, filters.transformed, first, last)
