"""The functions of `numpy_ops`, compiled for this machine's cores with Numba."""

from pellucid.ops.numpy_ops import *  # noqa: F403
from pellucid.ops.numpy_ops import __all__ as __all__
