"""`pellucid compare-kernels`: one large filter against a stack of 3x3 ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pellucid.cli.flags import Count, switch
from pellucid.cli.output import print_json, print_note, print_table

if TYPE_CHECKING:
    from pellucid.analysis.kernels import KernelComparison

NUMBERS = ("weights", "stack's weights", "saving")


def compare_kernels(
    *kernels: Annotated[int, Parameter(help="Sides of the large filters, odd; by default 5 7 9.")],
    channels: Annotated[Count, Parameter(help="Channels in and out of every convolution.")] = 1,
    json: Annotated[bool, switch("Print JSON.")] = False,
) -> None:
    """For each k x k filter, the stack of 3x3 filters that sees the same, and the weights of both.

    That both see the same is not taken from a formula: one pixel after the other is changed, and the output watched.
    """
    from pellucid.analysis.kernels import compare_kernel

    found = [compare_kernel(kernel, channels) for kernel in kernels or (5, 7, 9)]
    if json:
        print_json([_as_json(comparison) for comparison in found])
        return
    print_table(
        ("filter", "stack", *NUMBERS, "seen, as probed"),
        [_row(comparison) for comparison in found],
        title=f"One filter against 3x3 filters, {channels} channel{'s' * (channels > 1)} in and out, without biases",
        right=NUMBERS,
    )
    print_note("\nEach pixel of the output costs a multiply-add a weight, so operations are saved alike.")
    print_note("Between the filters of a stack stand ReLUs: it can say what one filter, which is linear, cannot.")


def _row(found: KernelComparison) -> tuple[str, ...]:
    one, stack = int(found.field.sum()), int(found.stack_field.sum())
    seen = f"the same {one} pixels" if found.same_field else f"{one} pixels against {stack}: NOT THE SAME"
    return (
        f"{found.kernel}x{found.kernel}",
        " + ".join(["3x3"] * found.layers) if found.layers < 5 else f"{found.layers} x 3x3",
        f"{found.weights:,}",
        f"{found.stack_weights:,}",
        f"{100 * found.saving:.1f} %",
        seen,
    )


def _as_json(found: KernelComparison) -> dict[str, object]:
    return {
        "kernel": found.kernel,
        "channels": found.channels,
        "layers": found.layers,
        "weights": found.weights,
        "stack_weights": found.stack_weights,
        "saving": found.saving,
        "same_field": found.same_field,
        "pixels_seen": int(found.field.sum()),
    }
