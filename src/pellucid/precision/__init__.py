"""Fewer bits: number formats, integers instead of floats, and training that knows of either."""

from pellucid.precision.aware import quantization_aware, with_rounding
from pellucid.precision.calibration import calibrate
from pellucid.precision.folding import fold_batch_norm
from pellucid.precision.integer_network import IntegerNetwork
from pellucid.precision.quantize import quantize
from pellucid.precision.scale import PIXELS, Scale

__all__ = [
    "PIXELS",
    "IntegerNetwork",
    "Scale",
    "calibrate",
    "fold_batch_norm",
    "quantization_aware",
    "quantize",
    "with_rounding",
]
