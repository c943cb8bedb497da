"""How each of ONNX's operators becomes layers: one function an operator, found in READERS by its name."""

from __future__ import annotations

from pellucid.exchange.onnx_readers import (
    activations,
    arithmetic,
    gathered,
    layout,
    norms,
    products,
    sizes,
    types,
    windows,
)
from pellucid.exchange.onnx_readers.weights import Reader

READERS: dict[str, Reader] = {
    **windows.READERS,
    **products.READERS,
    **arithmetic.READERS,
    **activations.READERS,
    **norms.READERS,
    **gathered.READERS,
    **layout.READERS,
    **sizes.READERS,
    **types.READERS,
}
"""By operator."""

POINTWISE = frozenset({*arithmetic.READERS, *activations.READERS} - {"Greater", "LogSoftmax", "Softmax", "Where"})
"""Operators that see each element by itself, wherever its axes are."""
