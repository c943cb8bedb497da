"""The functions of `numpy_ops`, compiled for this machine's cores with Numba."""

from pellucid.ops.memory import array, channels_last, empty, empty_images, host, padded, zeros
from pellucid.ops.normalization import BatchNorm
from pellucid.ops.numba_ops.convolution.calls import (
    conv2d,
    conv2d_backward,
    conv2d_input_gradient,
    conv2d_relu,
    conv2d_relu_backward,
    conv2d_relu_max_pool2d,
    conv2d_relu_max_pool2d_backward,
    conv2d_weight_gradient,
)
from pellucid.ops.numba_ops.elementwise.activation import (
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
from pellucid.ops.numba_ops.elementwise.channels import (
    channel_affine,
    channel_combination,
    channel_dot,
    channel_moments,
    channel_products,
    channel_sum,
)
from pellucid.ops.numba_ops.elementwise.joins import add, concat, multiply, split, unbroadcast
from pellucid.ops.numba_ops.elementwise.rounding import round_to_scale
from pellucid.ops.numba_ops.elementwise.sample_norms import (
    group_norm,
    group_norm_backward,
    layer_norm,
    layer_norm_backward,
)
from pellucid.ops.numba_ops.elementwise.smooth import (
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
from pellucid.ops.numba_ops.elementwise.update import (
    adagrad_update,
    adam_update,
    average_update,
    momentum_update,
    rmsprop_update,
    sgd_update,
    squared_norm,
)
from pellucid.ops.numba_ops.half import convolution as half_convolution
from pellucid.ops.numba_ops.half import pooling as half_pooling
from pellucid.ops.numba_ops.half.conversion import narrow, widen
from pellucid.ops.numba_ops.integer.calls import (
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
from pellucid.ops.numba_ops.linear import linear, linear_backward, linear_relu, linear_relu_backward
from pellucid.ops.numba_ops.loss import mean_squared_error, softmax, softmax_cross_entropy
from pellucid.ops.numba_ops.pooling import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from pellucid.ops.numba_ops.resampling import resample
from pellucid.ops.numba_ops.used import instructions
from pellucid.ops.numpy_ops.channels import add_bias
from pellucid.ops.randomness import dropout_keep

_norm = BatchNorm(__name__)
batch_norm = _norm.batch_norm
batch_norm_backward = _norm.batch_norm_backward
batch_norm_inference = _norm.batch_norm_inference

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

IN_HALF = {
    **{
        name: getattr(half_convolution, name)
        for name in (
            "conv2d",
            "conv2d_backward",
            "conv2d_relu",
            "conv2d_relu_backward",
            "conv2d_relu_max_pool2d",
            "conv2d_relu_max_pool2d_backward",
        )
    },
    "add": add,
    "channel_affine": channel_affine,
    "channel_combination": channel_combination,
    "channel_dot": channel_dot,
    "channel_moments": channel_moments,
    "channel_products": channel_products,
    "channel_sum": channel_sum,
    "clip": clip,
    "clip_backward": clip_backward,
    "dropout": dropout,
    "max_pool2d": half_pooling.max_pool2d,
    "max_pool2d_backward": half_pooling.max_pool2d_backward,
    "multiply": multiply,
    "relu": relu,
    "relu_backward": relu_backward,
}
"""Ops that take 16-bit arrays as they are, where they can; see `ops.half`."""

STEPS = "pellucid.ops.numba_ops.steps"
"""The module that does whole plans, loaded when the first is made."""
INTEGER_STEPS = "pellucid.ops.numba_ops.integer"

INSTRUCTIONS = instructions
"""Which instructions multiply numbers of a form, by its name."""
