"""The experiment's report: table, pictures, what the figures support and what they don't."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pellucid.analysis.depth.findings import Findings
from pellucid.analysis.depth.plots import accuracy_against_data, accuracy_against_depth
from pellucid.analysis.depth.statistics import Sample
from pellucid.files import write_whole

REPORT, TABLE = "report.md", "results.csv"
PICTURES = {"accuracy-against-depth.png": accuracy_against_depth, "accuracy-against-data.png": accuracy_against_data}


def write_report(findings: Findings, folder: Path, command: str) -> Path:
    """Write report.md, its two pictures and results.csv, one line a cell. command: what made the results."""
    for name, draw in PICTURES.items():
        write_whole(folder / name, draw(findings))
    write_whole(folder / TABLE, _table(findings).encode())
    path = folder / REPORT
    write_whole(path, ("\n".join(_report(findings, command)) + "\n").encode())
    return path


def _table(findings: Findings) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["depth", "fraction", "images", "seed", "accuracy", "train_loss"])
    for cell, result in sorted(findings.results.items(), key=lambda item: item[0].name):
        numbers = f"{result.accuracy:.4f}", f"{result.train_loss:.6f}"
        rows.writerow([cell.depth, f"{cell.fraction:g}", result.images, cell.seed, *numbers])
    return text.getvalue()


def _report(findings: Findings, command: str) -> Iterator[str]:
    settings = findings.settings
    yield f"# Depth experiment: {findings.title[0].lower()}{findings.title[1:]}\n"
    yield f"    {command}\n"
    yield (
        f"Each network was trained for {settings.steps} steps of {settings.batch_size} images (AdamW, one cycle up "
        f"to {settings.rate:g}, weight decay {settings.weight_decay:g}, no augmentation, no dropout) on parts of "
        f"{settings.data}'s training images, with {len(findings.seeds)} seeds, then measured once on all test "
        "images. A seed fixes the images of each part and the network's start. Networks of one seed learn from the "
        "same images, and a smaller part lies within every larger one.\n"
    )
    yield "## The networks\n"
    yield from _networks(findings)
    yield "\n## Test accuracy in %: mean ± standard deviation (n)\n"
    yield from _accuracies(findings)
    for name in PICTURES:
        yield f"\n![{name.removesuffix('.png').replace('-', ' ')}]({name})"
    yield "\n## Gain over the shallowest network, in percentage points: mean, 95 % interval over pairs of one seed\n"
    yield from _gains(findings)
    yield "\n## What the figures support\n"
    yield from _supported(findings)
    yield "\n## What they don't\n"
    yield from _unsupported(findings)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield _row(*["---:"] * len(names))


def _networks(findings: Findings) -> Iterator[str]:
    yield from _head("convolutions", "channels", "filters of a stage", "parameters", "multiply-adds", "field")
    for member in findings.members:
        channels = ", ".join(map(str, member.widths))
        filters = ", ".join(f"{kernel}x{kernel}" for kernel in member.kernels)
        costs = f"{member.parameters:,}", f"{member.multiply_adds:,}", f"{member.field}x{member.field}"
        yield _row(str(member.depth), channels, filters, *costs)


def _images(findings: Findings) -> list[str]:
    return [f"{findings.images(fraction):,} images" for fraction in findings.fractions]


def _accuracies(findings: Findings) -> Iterator[str]:
    yield from _head("convolutions", *_images(findings))
    for depth in findings.depths:
        samples = [findings.sample(depth, fraction) for fraction in findings.fractions]
        yield _row(str(depth), *(f"{100 * s.mean:.2f} ± {100 * s.deviation:.2f} ({s.n})" for s in samples))


def _gains(findings: Findings) -> Iterator[str]:
    yield from _head("convolutions", *_images(findings))
    for depth in findings.depths[1:]:
        yield _row(str(depth), *(_points(findings.gain(depth, fraction)) for fraction in findings.fractions))


def _points(gain: Sample) -> str:
    """A difference with its interval, such as +1.20 (0.80 to 1.60)."""
    low, high = gain.mean - gain.margin, gain.mean + gain.margin
    return f"{100 * gain.mean:+.2f} ({100 * low:+.2f} to {100 * high:+.2f})"


def _supported(findings: Findings) -> Iterator[str]:
    """Only what an interval that lies on one side of 0 says."""
    shallow, said = findings.depths[0], 0
    for fraction, images in zip(findings.fractions, _images(findings), strict=True):
        signs = {depth: findings.gain(depth, fraction).sign for depth in findings.depths[1:]}
        for sign, verb in ((1, "more"), (-1, "less")):
            found = [str(depth) for depth, s in signs.items() if s == sign]
            if found:
                said += 1
                deeper = f"networks of {', '.join(found)} convolutions"
                yield f"- With {images}, {deeper} are {verb} accurate than those of {shallow}."
        best = findings.best_depth(fraction)
        yield f"- With {images}, the highest mean is that of {best} convolutions."
    for depth in findings.depths[1:]:
        change = findings.gain_shrinks(depth)
        if change.sign:
            said += 1
            word = "larger" if change.sign > 0 else "smaller"
            yield (
                f"- The gain of {depth} over {shallow} convolutions is {word} with the least data than with the "
                f"most: its difference is {_points(change)} points."
            )
    if not said:
        yield "- No difference between depths: no interval lies on one side of 0."


def _unsupported(findings: Findings) -> Iterator[str]:
    """What is undecided, and what was not tried."""
    shallow = findings.depths[0]
    for fraction, images in zip(findings.fractions, _images(findings), strict=True):
        open_ones = [str(depth) for depth in findings.depths[1:] if not findings.gain(depth, fraction).sign]
        if open_ones:
            yield f"- Whether {', '.join(open_ones)} convolutions beat {shallow} with {images}: the interval holds 0."
    undecided = [str(depth) for depth in findings.depths[1:] if not findings.gain_shrinks(depth).sign]
    if undecided:
        depths = ", ".join(undecided)
        yield f"- That the gain of {depths} convolutions depends on the amount of data: its change may be 0."
    comparisons = (len(findings.depths) - 1) * (len(findings.fractions) + 1)
    yield (
        f"- Every single one of the {comparisons} comparisons: at 95 %, about one in twenty would come out by chance "
        "where there is no difference."
    )
    yield (
        "- Anything about the order of networks trained longer, with other learning rates, with augmentation or with "
        "normalisation: all had the same settings, which were tuned for none of them."
    )
    yield f"- {_confounded(findings)}"
    yield f"- Other images than {findings.settings.data}, other sizes of the budget, and networks with shortcuts."


def _confounded(findings: Findings) -> str:
    """What else changes with depth."""
    fields = f"{findings.members[0].field} to {findings.members[-1].field} pixels"
    if findings.settings.budget == "receptive-field":
        return (
            "That depth alone is the cause: at an equal receptive field, the networks differ in parameters and "
            "multiply-adds (see the table)."
        )
    other = "multiply-adds" if findings.settings.budget == "parameters" else "parameters"
    return (
        f"That depth alone is the cause: with it grow the field that the last convolution sees ({fields}) and, "
        f"unevenly, the {other}; the channels become fewer."
    )
