"""What must hold in a call of an op beside the forms of its arrays: sizes that follow from the settings."""

from __future__ import annotations

from typing import Any

from pellucid.ops.arrays import Pair
from pellucid.ops.forms import Call
from pellucid.ops.half import is_half

Settings = dict[str, Any]


def _window(call: Call, settings: Settings, kernel: Pair, size: Pair, ceil: bool | None = False) -> None:
    """Whether P, Q, where seen, are the places of that kernel on an image (H, W). ceil: None where unknown."""
    found = [settings["geometry"].output_size(size, kernel, c) for c in ((False, True) if ceil is None else (ceil,))]
    fits = f"an image of at least the window {kernel[0]}x{kernel[1]}"
    call.expect(min(found[-1]) >= 1, "geometry", fits, f"{size[0]}x{size[1]}")
    if "P" in call.sizes:
        came = call.sizes["P"], call.sizes["Q"]
        allowed = all(came[axis] in {one[axis] for one in found} for axis in (0, 1))
        call.expect(allowed, "dy", f"{found[0][0]}x{found[0][1]} places", f"{came[0]}x{came[1]}")


def _groups(call: Call, settings: Settings) -> None:
    """Whether channels C of the images and D of the weights, and filters K, go with the groups."""
    groups, sizes = settings["geometry"].groups, call.sizes
    call.expect(sizes["K"] % groups == 0, "w", f"filters in a multiple of groups={groups}", sizes["K"])
    if "C" in sizes and "D" in sizes:
        call.expect(sizes["C"] == sizes["D"] * groups, "w", f"{sizes['C']} / {groups} channels", sizes["D"])


def convolution(call: Call, settings: Settings) -> None:
    """Channels, groups and places of a convolution go together."""
    sizes = call.sizes
    _groups(call, settings)
    _window(call, settings, (sizes["R"], sizes["S"]), (sizes["H"], sizes["W"]))


def pooled(call: Call, settings: Settings) -> None:
    """A 2x2 pool of P, Q places, without a ragged rest, follows a convolution."""
    sizes = call.sizes
    _groups(call, settings)
    size = sizes["H"], sizes["W"]
    _window(call, settings, (sizes["R"], sizes["S"]), size)
    P, Q = settings["geometry"].output_size(size, (sizes["R"], sizes["S"]))
    call.expect(min(P, Q) > 1, "x", "at least 2x2 places to pool", f"{P}x{Q}")
    if "convolved" in settings:
        call.expect(settings["convolved"] == (P, Q), "convolved", (P, Q).__repr__(), settings["convolved"])
        came = sizes["p"], sizes["q"]
        call.expect(came == (P // 2, Q // 2), "dy", f"{P // 2}x{Q // 2} places", f"{came[0]}x{came[1]}")


def input_gradient(call: Call, settings: Settings) -> None:
    """The gradient has the places that a convolution of an image of that size has."""
    _groups(call, settings)
    _window(call, settings, (call.sizes["R"], call.sizes["S"]), settings["input_size"])


def weight_gradient(call: Call, settings: Settings) -> None:
    """Gradient and images are those of a convolution with that kernel."""
    sizes, kernel, groups = call.sizes, settings["kernel"], settings["geometry"].groups
    _groups(call, settings)
    _window(call, settings, kernel, (sizes["H"], sizes["W"]))
    call.expect(sizes["C"] % groups == 0, "x", f"channels in a multiple of groups={groups}", sizes["C"])
    if "R" in sizes:
        call.expect((sizes["R"], sizes["S"]) == kernel, "out", f"filters {kernel}", (sizes["R"], sizes["S"]))


def pool(call: Call, settings: Settings) -> None:
    """No window lies on padding alone, and the places are those of the image."""
    sizes, kernel, geometry = call.sizes, settings["kernel"], settings["geometry"]
    span = geometry.span(kernel)
    call.expect(
        all(p < s for p, s in zip(geometry.padding, (span[0], span[0], span[1], span[1]), strict=True)),
        "geometry",
        f"padding below the window's {span[0]}x{span[1]}",
        geometry.padding,
    )
    size = settings["input_size"] if "input_size" in settings else (sizes["H"], sizes["W"])
    _window(call, settings, kernel, size, ceil=settings.get("ceil"))


def clip(call: Call, settings: Settings) -> None:
    """Bounds in order."""
    low, high = settings["low"], settings["high"]
    call.expect(low <= high, "low, high", "low at most high", f"{low}, {high}")


def line(call: Call, settings: Settings) -> None:
    """A slope goes with an offset; bounds in order."""
    clip(call, settings)
    for one, other in (("a", "b"), ("slope", "offset")):
        if (one in call.shapes) != (other in call.shapes):
            call.expect(False, f"{one}, {other}", "both or neither", "one of them")


def groups(call: Call, settings: Settings) -> None:
    """The channels go into groups."""
    count = settings["groups"]
    call.expect(call.sizes["C"] % count == 0, "groups", f"a divisor of the {call.sizes['C']} channels", count)


def of_groups(call: Call, settings: Settings) -> None:
    """The statistics are of groups of channels."""
    C, count = call.sizes["C"], call.sizes["G"]
    call.expect(count > 0 and C % count == 0, "mean", f"groups that the {C} channels go into", count)


def places(call: Call, settings: Settings) -> None:
    """Vectors or images."""
    shape = call.shapes["x"]
    call.expect(len(shape) in {2, 4}, "x", "(N, C) or (N, C, H, W)", f"shape {shape}")


def dropout(call: Call, settings: Settings) -> None:
    """The rate is a probability."""
    call.expect(0 <= settings["rate"] < 1, "rate", "a number from 0 to below 1", settings["rate"])


def beside(call: Call, settings: Settings) -> None:
    """Whether the second has the first one's shape, or is one pixel beside images."""
    (first, x), (second, y) = call.shapes.items()
    call.expect(y == x or (len(x) == 4 and y == (*x[:2], 1, 1)), second, f"the shape of {first} {x}", f"shape {y}")


def unbroadcast(call: Call, settings: Settings) -> None:
    """The shape is one that repeats to that of dy."""
    dy, shape = call.shapes["dy"], settings["shape"]
    fits = len(dy) == len(shape) and all(s in (1, d) for s, d in zip(shape, dy, strict=True))
    call.expect(fits, "shape", f"that of dy {dy}, or 1 along some axes", shape)


def split(call: Call, settings: Settings) -> None:
    """The channels add up."""
    channels = settings["channels"]
    call.expect(sum(channels) == call.sizes["C"], "channels", f"a sum of {call.sizes['C']}", channels)
    call.expect(min(channels, default=1) > 0, "channels", "each at least 1", channels)


def mean(call: Call, settings: Settings) -> None:
    """There is something to take the mean of."""
    call.expect(0 not in call.shapes["y"] or settings["normalizer"], "y", "at least one number", call.shapes["y"])
    call.expect(settings["normalizer"] != 0, "normalizer", "a number other than 0", 0)


def rounding(call: Call, settings: Settings) -> None:
    """The step is no zero."""
    call.expect(settings["step"] > 0, "step", "a number above 0", settings["step"])


def adam(call: Call, settings: Settings) -> None:
    """Steps count from 1."""
    step = settings["step"]
    call.expect(not isinstance(step, int | float) or step >= 1, "step", "a number from 1", step)


def draws(call: Call, settings: Settings) -> None:
    """The samples drawn for are among all of them."""
    shape, first, total = settings["shape"], settings["first"], settings["total"]
    call.expect(len(shape) > 0, "shape", "at least one axis", shape)
    call.expect(total is None or first + shape[0] <= total, "total", f"at least {first + shape[0]}", total)
    call.expect(total is not None or first == 0, "first", "0 without a total", first)
    dropout(call, settings)


def rescaled(call: Call, settings: Settings) -> None:
    """Settings of integers; zeros: as many as there are inputs, or of input and output."""
    low, high = settings.get("low", 0), settings.get("high", 255)
    whole = isinstance(low, int) and isinstance(high, int) and 0 <= low <= high <= 255
    call.expect(whole, "low, high", "whole numbers, 0 <= low <= high <= 255", (low, high))
    shift = settings.get("shift", 1)
    call.expect(shift <= 62, "shift", "1 to 62", shift)
    call.expect(settings.get("multiplier", 0) < 1 << 31, "multiplier", "31 bits", settings.get("multiplier"))
    zeros = settings.get("zeros", (0, 0))
    count = sum(name.startswith("xs[") for name in call.shapes) or 2
    call.expect(len(zeros) == count, "zeros", f"{count}", zeros)
    if "multipliers" in settings:
        multipliers = settings["multipliers"]
        call.expect(len(multipliers) == count, "multipliers", f"{count}", multipliers)
        call.expect(all(abs(m) < 1 << 31 for m in multipliers), "multipliers", "31 bits", multipliers)
        call.expect(shift <= 31, "shift", "1 to 31", shift)


def integer_convolution(call: Call, settings: Settings) -> None:
    """As convolution, with scales and a pool that has room."""
    rescaled(call, settings)
    convolution(call, settings)
    sizes, pool = call.sizes, settings.get("pool", 1)
    P, Q = settings["geometry"].output_size((sizes["H"], sizes["W"]), (sizes["R"], sizes["S"]))
    call.expect(min(P, Q) >= pool, "pool", f"at most {min(P, Q)}", pool)


def integer_transposed(call: Call, settings: Settings) -> None:
    """As input_gradient, with scales and a pool that has room."""
    rescaled(call, settings)
    sizes, size, geometry, pool = call.sizes, settings["size"], settings["geometry"], settings.get("pool", 1)
    _groups(call, settings)
    found = geometry.output_size(size, (sizes["R"], sizes["S"]))
    call.expect(found == (sizes["H"], sizes["W"]), "size", f"one of which {sizes['H']}x{sizes['W']} come", size)
    call.expect(min(size) >= pool, "pool", f"at most {min(size)}", pool)


def integer_sums(call: Call, settings: Settings) -> None:
    """Images of one shape, or of one pixel."""
    rescaled(call, settings)
    shapes = list(call.shapes.values())
    largest = max(shapes, key=lambda shape: shape[2] * shape[3])
    for name, shape in call.shapes.items():
        call.expect(shape in (largest, (*largest[:2], 1, 1)), name, f"{largest} or one pixel", shape)


def integer_product(call: Call, settings: Settings) -> None:
    """A second image of the shape of the first, or of one pixel."""
    rescaled(call, settings)
    beside(call, settings)


def integer_concat(call: Call, settings: Settings) -> None:
    """A table for each image."""
    count = len(call.shapes) - 1
    call.expect(call.sizes["n"] == count, "tables", f"{count}, one an input", call.sizes["n"])


def batch_norm(call: Call, settings: Settings) -> None:
    """The momentum is a share; bounds in order."""
    clip(call, settings)
    call.expect(0 <= settings["momentum"] <= 1, "momentum", "a number from 0 to 1", settings["momentum"])


def cross_entropy(call: Call, settings: Settings) -> None:
    """Logits are of vectors or of images."""
    shape = call.shapes["logits"]
    call.expect(len(shape) in {2, 4}, "logits", "(N, K) or (N, K, H, W)", f"shape {shape}")
    normalizer = settings["normalizer"]
    call.expect(normalizer is None or normalizer >= 0, "normalizer", "a number of at least 0", normalizer)


def images(call: Call, settings: Settings) -> None:
    """A shape of images."""
    call.expect(len(settings["shape"]) == 4, "shape", "(N, C, H, W)", settings["shape"])


def narrow(call: Call, settings: Settings) -> None:
    """What is narrowed to has 16 bits, and so has `out`."""
    kind = settings["dtype"]
    call.expect(kind is not None and is_half(kind), "dtype", "float16 or bfloat16", settings["dtype"])
