"""Integer arithmetic of quantised networks: what its plans prepare, step by step.

A convolution, transposed or not, an addition, a pool, channels side by side or in another order give a step of
kernels that need only addresses to run, as `steps` has for floats.
"""

from pellucid.ops.numba_ops.integer.calls import convolution_step as convolution
from pellucid.ops.numba_ops.integer.channels import joined, ordered
from pellucid.ops.numba_ops.integer.elementwise import addition, pooled
from pellucid.ops.numba_ops.integer.filters import UNCLIPPED, Filters
from pellucid.ops.numba_ops.integer.transposed import transposed

__all__ = ["UNCLIPPED", "Filters", "addition", "convolution", "joined", "ordered", "pooled", "transposed"]
