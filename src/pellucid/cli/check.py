"""`pellucid check`: the gradients of a recipe's loss against numerical derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from pellucid.cli.flags import Count, Whole, switch
from pellucid.cli.machine import Machine
from pellucid.cli.output import dimensions, print_json, print_note, print_table, working
from pellucid.cli.subject import CLASSES_HELP, INPUT_HELP, SUBJECT_HELP, Subject, few_scenes, open_subject

if TYPE_CHECKING:
    from pellucid.analysis.gradient_check import TensorCheck
    from pellucid.ops.arrays import Array

FAILED = 1
SMALL_HELP = f"{SUBJECT_HELP.removesuffix('.')}, with a small --input."
WINDOW, BOXES_WINDOW = 24, 32  # pixels; where there are boxes, some must be in it
SAMPLES, FEWER, MANY = 8, 2, 40  # elements of a tensor; a deep network has many tensors, and each takes long
NOISE = 0.1  # standard deviation, where white is 1
NUMBERS = ("elements", "at kinks", "element", "direction")


def check(
    name: Annotated[str, Parameter(help=SMALL_HELP)] = "deep-convnet",
    /,
    *,
    input_: Annotated[str | None, Parameter(name="--input", help=INPUT_HELP)] = None,
    classes: Annotated[Count | None, Parameter(help=CLASSES_HELP)] = None,
    backend: Annotated[Literal["numpy", "numba", "cuda"], Parameter(help="Whose gradients are checked.")] = "numpy",
    device: Annotated[str, Parameter(help="cuda, cuda:1: a GPU, instead of a backend.")] = "cpu",
    dtype: Annotated[
        Literal["float64", "float32"] | None,
        Parameter(help="Float type of the side under test; by default float64 for numpy, else float32."),
    ] = None,
    samples: Annotated[
        Count | None,
        Parameter(help=f"Elements compared a tensor; by default {SAMPLES}, of more than {MANY} tensors {FEWER}."),
    ] = None,
    batch_size: Annotated[Count, Parameter(help="Images of the batch.")] = 2,
    seed: Annotated[Whole, Parameter(help="Of the sampled elements, the direction, and what dropout drops.")] = 0,
    threads: Annotated[Count | None, Parameter(help="Threads to use; by default one a core.")] = None,
    json: Annotated[bool, switch("Print JSON.")] = False,
) -> int:
    """Check every tensor's gradient: some elements and a random direction. Exit code 1 if an error is too large."""
    from pellucid import ops
    from pellucid.analysis.gradient_check import check_gradients, tolerance
    from pellucid.precision import without_rounding

    if threads is not None:
        ops.set_threads(threads)
    side = (Machine(device=device).gpu() if device != "cpu" else "") or backend
    subject = open_subject(name, input_, classes, usual=False)
    network = without_rounding(subject.network)  # rounding has no derivative to compare with
    x, targets = _batch(subject, batch_size, seed)
    tested = dtype or ("float64" if side == "numpy" else "float32")
    limit = tolerance(network, tested)
    with working("comparing gradients with numerical derivatives"):
        rows = check_gradients(
            network,
            lambda outputs: subject.task.loss(outputs, targets),
            x,
            loss_pattern=_loss_pattern(subject, targets),
            dtype=tested,
            backend=side,
            samples=samples or (SAMPLES if len(network.parameters) <= MANY else FEWER),
            seed=seed,
        )
    passed = all(row.error <= limit for row in rows)
    if json:
        tensors = [asdict(row) | {"error": row.error} for row in rows]
        print_json({"passed": passed, "tolerance": limit, "dtype": tested, "backend": side, "tensors": tensors})
    else:
        _show(rows, limit, f"{subject.title}: {side} in {tested} against derivatives of the definition in float64")
    return 0 if passed else FAILED


def _loss_pattern(subject: Subject, targets: Any) -> Callable[[Array], Array] | None:
    """What tells on which side of its kinks the loss is, for a task whose loss has some."""
    pattern = getattr(subject.task, "pattern", None)
    return None if pattern is None else lambda outputs: pattern(outputs, targets)


def _batch(subject: Subject, size: int, seed: int) -> tuple[Array, Any]:
    """The first test images, as the network sees them but noisy, and their targets.

    On a background of exactly 0, under biases of exactly 0, every ReLU of the first layer would stand on its kink.
    Where each pixel has a class, or there are boxes, a window is enough: the more ReLUs there are, the likelier one
    is near its kink.
    """
    import numpy as np

    from pellucid.recipes.data import without_data

    if subject.recipe is None or without_data(subject.recipe):
        return _noise(subject, size, seed)

    from pellucid.data import Boxes
    from pellucid.recipes import build_data, build_loader

    loader = build_loader(subject.recipe, build_data(few_scenes(subject.recipe)).test, training=False)
    batch = next(iter(replace(loader, batch_size=size).epoch(0)))
    x, targets = batch.inputs, batch.targets
    if isinstance(targets, Boxes):
        x, targets = x[:, :, :BOXES_WINDOW, :BOXES_WINDOW], targets.window((BOXES_WINDOW, BOXES_WINDOW))
    elif np.ndim(targets) == 3:
        x, targets = x[:, :, :WINDOW, :WINDOW], targets[:, :WINDOW, :WINDOW]
    return x + np.random.default_rng(seed).normal(0, NOISE, x.shape).astype(x.dtype), targets


def _noise(subject: Subject, size: int, seed: int) -> tuple[Array, Any]:
    """Images of noise and targets drawn at random, for a network that comes without data."""
    import numpy as np

    from pellucid.data.boxes import PLAIN, Boxes
    from pellucid.tasks import Detect

    rng, network = np.random.default_rng(seed), subject.network
    x = rng.standard_normal((size, *network.input_shape)).astype(network.dtype)
    K, output = len(subject.class_names), network.output_shape
    if isinstance(subject.task, Detect):
        H, W = network.input_shape[1:]
        box, plain = np.array([[W / 4, H / 4, 3 * W / 4, 3 * H / 4]]), np.array([PLAIN])
        found = [(box, rng.integers(0, K, 1), plain) for _ in range(size)]
        return x, Boxes.gathered(found, np.array([(H, W)] * size), (H, W))
    return x, rng.integers(0, K, (size, *output[1:]))


def _show(rows: list[TensorCheck], limit: float, title: str) -> None:
    """Print the table, and the verdict."""
    print_table(
        ("tensor", "shape", *NUMBERS, ""),
        [
            (
                row.name,
                dimensions(row.shape),
                str(row.elements),
                str(row.skipped) if row.skipped else "",
                f"{row.element_error:.1e}",
                "-" if row.direction_error is None else f"{row.direction_error:.1e}",
                "" if row.error <= limit else "FAILED",
            )
            for row in rows
        ],
        title=title,
        right=NUMBERS,
    )
    worst = max(rows, key=lambda row: row.error)
    verdict = "passed" if worst.error <= limit else "FAILED"
    print_note(f"\n{verdict}: largest relative error {worst.error:.1e} ({worst.name}), tolerance {limit:.1e}")
