"""The table of ops: which arrays each reads and writes, of what types, and how their shapes hang together.

A row has a form for each array (see forms), and a rule (see rules) for what follows from the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pellucid.ops import rules
from pellucid.ops.forms import Call, Form, form

Rule = Callable[[Call, dict[str, Any]], None]


@dataclass(frozen=True)
class Row:
    """An op: the forms of its arrays by argument, and what must hold beside.

    remembered: a call that was right is remembered with its settings; not so where these change from call to call.
    """

    arrays: dict[str, Form]
    rule: Rule | None = None
    remembered: bool = True


def row(rule: Rule | None = None, /, **forms: str) -> Row:
    """An entry of the table."""
    return Row({name: form(text) for name, text in forms.items()}, rule)


def changing(rule: Rule | None = None, /, **forms: str) -> Row:
    """An entry of an op whose settings change from call to call."""
    return replace(row(rule, **forms), remembered=False)


_CONVOLUTION = {"x": "N C H W", "w": "K D R S", "b": "? K"}
_GRADIENTS = {"dw": "> K D R S", "db": "> ? K"}
_WEIGHTS = {"x": "N C H W", "w": "K D R S", **_GRADIENTS}
_LINEAR = {"x": "N F", "w": "G F"}
_POOLED = {"dy": "N K p q", "y": "N K p q", "winner": "N K p q : place"}
_NORMED = {"gamma": "C : either", "dgamma": "> C : either", "dbeta": "> C : either"}
_CHANNELS = {"gamma": "C : either", "beta": "C : either"}
_RUNNING = {"running_mean": "C : sums", "running_variance": "C : sums"}
_WRITTEN_RUNNING = {name: f"> {text}" for name, text in _RUNNING.items()}
_BYTES = {"x": "N C H W : uint8", "w": "K D R S : int8", "b": "K : int32"}
_SCALES = {"multiplier": "K : int32", "shift": "K : int32"}
_OUTPUT = {"dy": "...", "y": "..."}
_INPUT = {"dy": "...", "x": "..."}

TABLE: dict[str, Row] = {
    "adagrad_update": changing(w="> n", g="n", s="> n"),
    "adam_update": changing(rules.adam, w="> n", g="n", m="> n", v="> n"),
    "add": row(rules.beside, x="free", y="free"),
    "add_bias": row(y=">> N K P Q", b="K"),
    "array": changing(),
    "average_update": changing(average="> n", w="n"),
    "avg_pool2d": row(rules.pool, x="N C H W"),
    "avg_pool2d_backward": row(rules.pool, dy="N C P Q"),
    "batch_norm": row(rules.batch_norm, x="N C H W", **_CHANNELS, **_WRITTEN_RUNNING, added="? N C H W"),
    "batch_norm_backward": row(
        rules.clip,
        dy="N C H W",
        x="N C H W",
        gamma="C : either",
        mean="C : sums",
        inverse="C : sums",
        dgamma="> C : either",
        dbeta="> C : either",
        beta="? C : either",
    ),
    "batch_norm_inference": row(rules.clip, x="N C H W", **_CHANNELS, **_RUNNING, added="? N C H W"),
    "channel_affine": row(rules.clip, x="N C H W", a="C : either", b="C : either", added="? N C H W"),
    "channel_combination": row(
        rules.line,
        x="N C H W",
        a="C : either",
        y="N C H W",
        b="C : either",
        c="C : either",
        slope="? C : either",
        offset="? C : either",
    ),
    "channel_dot": row(x="N C H W", y="N C H W"),
    "channel_moments": row(x="N C H W"),
    "channel_products": row(
        rules.line, dy="N C H W", x="N C H W", middle="C : either", a="? C : either", b="? C : either"
    ),
    "channel_sum": row(x="N C H W"),
    "channels_last": row(x="N - - - : any"),
    "clip": row(rules.clip, x="..."),
    "clip_backward": row(rules.clip, **_INPUT),
    "concat": row(arrays="* N - ... : same"),
    "conv2d": row(rules.convolution, **_CONVOLUTION),
    "conv2d_backward": row(rules.convolution, dy="N K P Q", **_WEIGHTS),
    "conv2d_input_gradient": row(rules.input_gradient, dy="N K P Q", w="K D R S"),
    "conv2d_relu": row(rules.convolution, **_CONVOLUTION),
    "conv2d_relu_backward": row(rules.convolution, dy="N K P Q", y="N K P Q", **_WEIGHTS),
    "conv2d_relu_max_pool2d": row(rules.pooled, **_CONVOLUTION),
    "conv2d_relu_max_pool2d_backward": row(rules.pooled, **_POOLED, **_WEIGHTS),
    "conv2d_weight_gradient": row(rules.weight_gradient, dy="N K P Q", x="N C H W", out="> ? K D R S"),
    "dropout": row(rules.dropout, x="...", keep="... : bool"),
    "dropout_keep": changing(rules.draws),
    "elu": row(x="..."),
    "elu_backward": row(**_INPUT),
    "empty": changing(),
    "empty_images": changing(rules.images),
    "gelu": row(x="..."),
    "gelu_backward": row(**_INPUT),
    "global_avg_pool2d": row(x="N C H W"),
    "global_avg_pool2d_backward": row(dy="N C"),
    "group_norm": row(rules.groups, x="N C H W", **_CHANNELS),
    "group_norm_backward": row(
        rules.of_groups, dy="N C H W", x="N C H W", mean="N G : either", inverse="N G : either", **_NORMED
    ),
    "hard_sigmoid": row(x="..."),
    "hard_sigmoid_backward": row(**_INPUT),
    "hard_swish": row(x="..."),
    "hard_swish_backward": row(**_INPUT),
    "host": changing(),
    "integer_add": row(rules.integer_sums, xs="* N C - - : uint8"),
    "integer_avg_pool2d": row(rules.pool, x="N C H W : uint8"),
    "integer_concat": row(rules.integer_concat, xs="* N - H W : uint8", tables="n 256 : uint8"),
    "integer_conv2d": row(rules.integer_convolution, **_BYTES, **_SCALES),
    "integer_conv_transpose2d": row(rules.integer_transposed, **_BYTES, **_SCALES),
    "integer_logits": row(rules.integer_convolution, **_BYTES, **_SCALES),
    "integer_max_pool2d": row(rules.pool, x="N C H W : uint8"),
    "integer_multiply": row(rules.integer_product, x="N C H W : uint8", by="N C - - : uint8"),
    "integer_sum": row(rules.integer_sums, xs="* N C - - : uint8"),
    "integer_transposed_logits": row(rules.integer_transposed, **_BYTES, **_SCALES),
    "layer_norm": row(rules.places, x="N C ...", **_CHANNELS),
    "layer_norm_backward": row(
        rules.places, dy="N C ...", x="N C ...", mean="N ... : either", inverse="N ... : either", **_NORMED
    ),
    "leaky_relu": row(x="..."),
    "leaky_relu_backward": row(**_INPUT),
    "linear": row(**_LINEAR, b="? G"),
    "linear_backward": row(dy="N G", **_LINEAR, dw="> G F", db="> ? G"),
    "linear_relu": row(**_LINEAR, b="? G"),
    "linear_relu_backward": row(dy="N G", y="N G", **_LINEAR, dw="> G F", db="> ? G"),
    "max_pool2d": row(rules.pool, x="N C H W"),
    "max_pool2d_backward": row(rules.pool, dy="N C P Q", winner="N C P Q : place"),
    "mean_squared_error": row(rules.mean, y="...", target="..."),
    "mish": row(x="..."),
    "mish_backward": row(**_INPUT),
    "momentum_update": changing(w="> n", g="n", v="> n"),
    "multiply": row(rules.beside, x="free", y="free"),
    "narrow": row(rules.narrow, x="... : float32", out=">> ? ... : half"),
    "padded": row(x="N - - - : any"),
    "relu": row(x="..."),
    "relu_backward": row(**_OUTPUT),
    "resample": row(
        x="N C H W",
        rows="P R : int32",
        row_weights="P R : weight",
        columns="Q S : int32",
        column_weights="Q S : weight",
    ),
    "rmsprop_update": changing(w="> n", g="n", s="> n"),
    "round_to_scale": row(rules.rounding, x="..."),
    "sgd_update": changing(w="> n", g="n"),
    "sigmoid": row(x="..."),
    "sigmoid_backward": row(**_OUTPUT),
    "silu": row(x="..."),
    "silu_backward": row(**_INPUT),
    "softmax": row(logits="N K ..."),
    "softmax_cross_entropy": row(
        rules.cross_entropy, logits="N K ...", labels="N ... : label", class_weights="? K : weight"
    ),
    "softplus": row(x="..."),
    "softplus_backward": row(**_INPUT),
    "split": row(rules.split, dy="N C ... : any"),
    "squared_norm": row(g="n"),
    "tanh": row(x="..."),
    "tanh_backward": row(**_OUTPUT),
    "unbroadcast": row(rules.unbroadcast, dy="..."),
    "widen": row(x="... : half"),
    "zeros": changing(),
}
