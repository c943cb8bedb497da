"""The functions of `numpy_ops` on an NVIDIA GPU.

Arrays live in the card's memory (arrays.py), from a pool (pool.py). Kernels are written in Python (jit.py), compiled
to PTX (ptx.py) and started by the driver (device.py, card.py); with NUMBA_ENABLE_CUDASIM=1 they run in Numba's
simulator on any machine. Convolutions are cuDNN's and matrix products cuBLAS's where those are installed.
"""

from pellucid.ops.cuda_ops import recorder as recorder
from pellucid.ops.cuda_ops.activation import (
    clip,
    clip_backward,
    dropout,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
    tanh,
    tanh_backward,
)
from pellucid.ops.cuda_ops.arrays import DeviceArray, array, empty, empty_images, host, zeros
from pellucid.ops.cuda_ops.channels import add_bias, channel_affine, channel_combination
from pellucid.ops.cuda_ops.columns import channel_dot, channel_moments, channel_products, channel_sum
from pellucid.ops.cuda_ops.convolution import (
    conv2d,
    conv2d_backward,
    conv2d_input_gradient,
    conv2d_relu,
    conv2d_relu_backward,
    conv2d_relu_max_pool2d,
    conv2d_relu_max_pool2d_backward,
    conv2d_weight_gradient,
)
from pellucid.ops.cuda_ops.half import narrow, widen
from pellucid.ops.cuda_ops.integer import (
    integer_add,
    integer_avg_pool2d,
    integer_concat,
    integer_conv2d,
    integer_conv_transpose2d,
    integer_logits,
    integer_max_pool2d,
    integer_multiply,
    integer_sum,
    integer_transposed_logits,
)
from pellucid.ops.cuda_ops.joins import add, concat, multiply, split, unbroadcast
from pellucid.ops.cuda_ops.layouts import channels_last, padded
from pellucid.ops.cuda_ops.linear import linear, linear_backward, linear_relu, linear_relu_backward
from pellucid.ops.cuda_ops.loss import mean_squared_error, softmax, softmax_cross_entropy
from pellucid.ops.cuda_ops.normalization import batch_norm, batch_norm_backward, batch_norm_inference
from pellucid.ops.cuda_ops.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from pellucid.ops.cuda_ops.random import dropout_keep
from pellucid.ops.cuda_ops.resampling import resample
from pellucid.ops.cuda_ops.rounding import round_to_scale
from pellucid.ops.cuda_ops.sample_norms import group_norm, group_norm_backward, layer_norm, layer_norm_backward
from pellucid.ops.cuda_ops.smooth import (
    elu,
    elu_backward,
    gelu,
    gelu_backward,
    hard_sigmoid,
    hard_sigmoid_backward,
    hard_swish,
    hard_swish_backward,
    mish,
    mish_backward,
    softplus,
    softplus_backward,
)
from pellucid.ops.cuda_ops.sums import squared_norm
from pellucid.ops.cuda_ops.update import (
    adagrad_update,
    adam_update,
    average_update,
    momentum_update,
    rmsprop_update,
    sgd_update,
)

__all__ = [
    "adagrad_update",
    "adam_update",
    "add",
    "add_bias",
    "array",
    "average_update",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "channel_affine",
    "channel_combination",
    "channel_dot",
    "channel_moments",
    "channel_products",
    "channel_sum",
    "channels_last",
    "clip",
    "clip_backward",
    "concat",
    "conv2d",
    "conv2d_backward",
    "conv2d_input_gradient",
    "conv2d_relu",
    "conv2d_relu_backward",
    "conv2d_relu_max_pool2d",
    "conv2d_relu_max_pool2d_backward",
    "conv2d_weight_gradient",
    "dropout",
    "dropout_keep",
    "elu",
    "elu_backward",
    "empty",
    "empty_images",
    "gelu",
    "gelu_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "group_norm",
    "group_norm_backward",
    "hard_sigmoid",
    "hard_sigmoid_backward",
    "hard_swish",
    "hard_swish_backward",
    "host",
    "integer_add",
    "integer_avg_pool2d",
    "integer_concat",
    "integer_conv2d",
    "integer_conv_transpose2d",
    "integer_logits",
    "integer_max_pool2d",
    "integer_multiply",
    "integer_sum",
    "integer_transposed_logits",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "linear_backward",
    "linear_relu",
    "linear_relu_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "mean_squared_error",
    "mish",
    "mish_backward",
    "momentum_update",
    "multiply",
    "narrow",
    "padded",
    "relu",
    "relu_backward",
    "resample",
    "rmsprop_update",
    "round_to_scale",
    "sgd_update",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "softplus_backward",
    "split",
    "squared_norm",
    "tanh",
    "tanh_backward",
    "unbroadcast",
    "widen",
    "zeros",
]

ARRAY = DeviceArray
"""What arrays of this backend are."""

TAKES_HALVES = True
"""Every op takes 16-bit arrays as they are; see `ops.half`."""
