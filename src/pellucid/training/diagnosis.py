"""Where a training step that gave no finite number went wrong."""

from collections.abc import Callable

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.layers import Context, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array


class NotFiniteError(PellucidError):
    """Training met a loss or gradient that is infinite or not a number."""


def not_finite(
    network: Network, inputs: Array, context: Context, loss_gradient: Callable[[Array], Array], step: int
) -> NotFiniteError:
    """The error that names the step and the first layer whose output, else whose gradient, isn't finite.

    Repeats the step (same batch, same random numbers) with an onlooker; only done once all is lost anyway.
    step: counted from 1.
    """
    return NotFiniteError(
        f"training stopped at step {step}: {_culprit(network, inputs, context, loss_gradient)}; "
        "a smaller learning rate, warm-up or gradient clipping may help"
    )


def _culprit(network: Network, inputs: Array, context: Context, loss_gradient: Callable[[Array], Array]) -> str:
    if not np.isfinite(ops.host(network.vector)).all():
        return "the weights are no longer finite"
    if not np.isfinite(inputs).all():
        return "the batch's images aren't finite"
    found: list[Layer] = []

    def watch(layer: Layer, output: Array) -> None:
        if not found and not np.isfinite(ops.host(output)).all():
            found.append(layer)

    with np.errstate(all="ignore"):
        outputs = network.forward(inputs, context.watched_by(watch))
        if found:
            return f"the output of layer {found[0].name} ({found[0].kind}) is not finite"
        gradient = loss_gradient(outputs)
        if not np.isfinite(ops.host(gradient)).all():
            return "the loss is not finite although every layer's output is"
        network.backward(gradient)
    for name, parameter in reversed(network.parameters.items()):
        if parameter.trained and not np.isfinite(ops.host(parameter.gradient)).all():
            return f"the gradient of {name} is not finite"
    return "the sum of the ranks' gradients, or of its squares, is not finite"
