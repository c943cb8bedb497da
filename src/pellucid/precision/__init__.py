"""Fewer bits: number formats, integers instead of floats, and training that knows of either."""

from pellucid.ops.formats import FORMATS, float_type
from pellucid.precision.calibration import calibrate
from pellucid.precision.folding import fold_batch_norm
from pellucid.precision.quantization_aware import quantization_aware, rounded_to, with_rounding, without_rounding
from pellucid.precision.quantize import quantize

__all__ = [
    "FORMATS",
    "calibrate",
    "float_type",
    "fold_batch_norm",
    "quantization_aware",
    "quantize",
    "rounded_to",
    "with_rounding",
    "without_rounding",
]
