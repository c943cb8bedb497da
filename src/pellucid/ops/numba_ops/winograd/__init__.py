"""3x3 convolutions with stride 1 by Winograd's algorithm F(4x4, 3x3), float32."""

from pellucid.ops.numba_ops.winograd.calls import (
    Gradient,
    backward,
    convolution,
    input_gradient,
    pooled_convolution,
    suits,
    suits_half,
    weight_gradient,
)

__all__ = [
    "Gradient",
    "backward",
    "convolution",
    "input_gradient",
    "pooled_convolution",
    "suits",
    "suits_half",
    "weight_gradient",
]
