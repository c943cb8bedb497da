"""Fewer bits: number formats, integers instead of floats, and training that knows of either."""

from pellucid.ops.formats import FORMATS, float_type
from pellucid.precision.aware import quantization_aware, with_rounding, without_rounding
from pellucid.precision.calibration import calibrate
from pellucid.precision.folding import fold_batch_norm
from pellucid.precision.integer_network import IntegerNetwork
from pellucid.precision.quantize import quantize
from pellucid.precision.scale import PIXELS, Scale

__all__ = [
    "FORMATS",
    "PIXELS",
    "IntegerNetwork",
    "Scale",
    "calibrate",
    "float_type",
    "fold_batch_norm",
    "quantization_aware",
    "quantize",
    "with_rounding",
    "without_rounding",
]
