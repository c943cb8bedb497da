"""Steps of a plan in compiled code: each a table of kernels' arguments, all of a plan's one call.

`convolution`, `affine` and the like choose an algorithm and prepare it: weights packed, work cut into parts. What
they give needs only addresses to run. All values are float32 in memory; of a network in bfloat16 products are
computed as such where the processor can, everything else as in float32.
"""

from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.steps import depthwise, elementwise, product, winograd
from pellucid.ops.numba_ops.steps.elementwise import bounded_sum, concat
from pellucid.ops.numba_ops.steps.functions import Function, followed, function, multiply, turned
from pellucid.ops.numba_ops.steps.lines import Part
from pellucid.ops.numba_ops.steps.lines import convolution as in_lines
from pellucid.ops.numba_ops.steps.lines import suits as lines_suit
from pellucid.ops.numba_ops.steps.moves import gather
from pellucid.ops.numba_ops.steps.pools import max_pool, mean_pool
from pellucid.ops.numba_ops.steps.program import Program
from pellucid.ops.numba_ops.steps.resampling import resample
from pellucid.ops.numba_ops.steps.sample_norms import group_norm, layer_norm
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Finish, Step, part_of
from pellucid.ops.numba_ops.steps.transposed import convolution as transposed_convolution
from pellucid.ops.numba_ops.steps.weights import Weights

__all__ = [
    "ALIGNED",
    "Call",
    "Finish",
    "Function",
    "Part",
    "Program",
    "Step",
    "Weights",
    "affine",
    "bounded_sum",
    "channel_affine",
    "concat",
    "convolution",
    "followed",
    "function",
    "gather",
    "group_norm",
    "in_lines",
    "layer_norm",
    "lines_suit",
    "max_pool",
    "mean_pool",
    "multiply",
    "part_of",
    "pools_too",
    "resample",
    "transposed_convolution",
    "turned",
]

channel_affine, affine = elementwise.affine, product.affine


def convolution(
    shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish, pooled: bool = False
) -> Step | None:
    """The convolution of images `shape` (N, C, H, W) with w (K, C/groups, R, S), plus b (K,), and what follows it.

    pooled: its 2x2 max-pool, where `pools_too`. None where no kernel does it: groups of more than one channel.
    """
    kernel = weights.shape
    if pooled or winograd.suits(shape, kernel, geometry, last, _faster(weights.form)):
        return winograd.convolution(shape, weights, geometry, last, pooled)
    if geometry.groups == 1:
        return product.convolution(shape, weights, geometry, last)
    if kernel[1] == 1 and kernel[0] == shape[1] and not last.added:
        return depthwise.convolution(shape, weights, geometry, last)
    return None


def _faster(form: str) -> float:
    """Times that products in a form are faster than those of float32."""
    return product.FASTER if product.in_pairs(form) else 1.0


def pools_too(shape: tuple[int, ...], kernel: tuple[int, ...], geometry: Geometry, last: Finish, form: str) -> bool:
    """Whether the convolution of images `shape` with filters `kernel` (K, C, R, S) can give its 2x2 max-pool.

    form: what the network's numbers are stored in; see Weights.
    """
    return last.relu and not last.added and winograd.suits(shape, kernel, geometry, last, _faster(form))
