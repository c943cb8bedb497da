"""The depth experiment: fair families, nested data, no cell trained twice, and a report that says what is so."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import ops
from pellucid.analysis.depth import BUDGETS, Cell, Findings, Result, Settings, family, write_report
from pellucid.analysis.depth.cells import part_of
from pellucid.analysis.depth.families import Budget
from pellucid.analysis.depth.statistics import paired, sample, t_quantile
from pellucid.cli import main
from pellucid.data import mnist_dataset
from pellucid.errors import PellucidError
from pellucid.graph import unroll
from pellucid.layers import Conv2d
from pellucid.recipes.depth_experiment import Experiment, run_experiment
from small_runs import write_digits


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As the experiment's processes have; two of them would only wait for each other on such small networks."""
    before = ops.threads()
    ops.set_threads(1)
    yield
    ops.set_threads(before)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the first few of MNIST's images."""
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder, 200, 100)
    return str(folder)


def small(digits: str, fractions: tuple[float, ...] = (0.1, 0.5), seeds: int = 2) -> Experiment:
    return Experiment(Settings(size=5_000, steps=8, batch_size=16, data=digits), (3, 6), fractions, seeds)


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_family_spends_its_budget_at_every_depth(budget: Budget) -> None:
    members = family(budget, BUDGETS[budget], (12, 3, 9, 6), (1, 28, 28), 10)
    assert [member.depth for member in members] == [3, 6, 9, 12]
    for member in members:
        assert sum(isinstance(node.layer, Conv2d) for node in unroll(member.create(10))) == member.depth
        spent = {"parameters": member.parameters, "operations": member.multiply_adds}.get(budget, BUDGETS[budget])
        assert abs(spent / BUDGETS[budget] - 1) < 0.05
    if budget == "receptive-field":
        assert {member.field for member in members} == {60}
    else:
        assert [member.widths[0] for member in members] == sorted((m.widths[0] for m in members), reverse=True)


@pytest.mark.parametrize(
    ("budget", "size", "depths", "message"),
    [
        ("parameters", 20_000, (3, 7), "depth 7: expected a multiple of 3"),
        ("parameters", 20_000, (3, 3), "depths 3, 3: expected at least two"),
        ("parameters", 1_000, (3, 30), "budget of 1,000 parameters: 30 convolutions come to"),
        ("receptive-field", 9, (3, 15), "receptive field 9 a stage: .* at most 12 convolutions"),
        ("receptive-field", 8, (3, 6), "receptive field 8 a stage: expected an odd side"),
    ],
)
def test_an_impossible_family_is_refused(budget: Budget, size: int, depths: tuple[int, ...], message: str) -> None:
    with pytest.raises(PellucidError, match=message):
        family(budget, size, depths, (1, 28, 28), 10)


def test_parts_of_one_seed_lie_within_each_other() -> None:
    train = mnist_dataset(True)
    few, many = part_of(train, 0.001, 3), part_of(train, 0.01, 3)
    assert (len(few), len(many)) == (60, 600)
    rows = {image.tobytes() for image in np.asarray(many.inputs)}
    assert all(image.tobytes() in rows for image in np.asarray(few.inputs))
    assert part_of(train, 0.001, 4).digest != few.digest
    for fraction in (0, -0.5, 1.5, 1e-9, float("nan")):
        with pytest.raises(PellucidError, match=r"data fraction .*: expected more than 0"):
            part_of(train, fraction, 0)


def test_no_cell_is_trained_twice(digits: str, tmp_path: Path) -> None:
    trained: list[Cell] = []

    def progress(cell: Cell, result: Result, finished: int, total: int) -> None:
        trained.append(cell)

    def run(experiment: Experiment) -> dict[Cell, Result]:
        trained.clear()
        return run_experiment(experiment, tmp_path / "out", workers=1, backend="numpy", progress=progress)[1]

    first = run(small(digits))
    assert trained == small(digits).cells
    assert {cell.fraction: result.images for cell, result in first.items()} == {0.1: 20, 0.5: 100}
    assert run(small(digits)) == first
    assert trained == []
    (tmp_path / "out/cells/depth-06_fraction-0.5_seed-1.json").unlink()
    again = run(small(digits, seeds=3))
    assert trained[0] == Cell(6, 0.5, 1)
    assert len(trained) == 1 + 4
    for cell, result in first.items():
        assert (again[cell].accuracy, again[cell].train_loss) == (result.accuracy, result.train_loss)


def test_processes_find_what_one_process_finds(digits: str, tmp_path: Path) -> None:
    experiment = small(digits, seeds=1)
    alone = run_experiment(experiment, tmp_path / "alone", workers=1, backend="numpy")[1]
    together = run_experiment(experiment, tmp_path / "together", workers=2, backend="numpy")[1]
    assert {cell: result.accuracy for cell, result in together.items()} == {
        cell: result.accuracy for cell, result in alone.items()
    }


def test_a_folder_of_another_experiment_is_refused(digits: str, tmp_path: Path) -> None:
    run_experiment(small(digits, (0.1,), 1), tmp_path, workers=1, backend="numpy")
    other = Experiment(Settings(size=8_000, steps=8, batch_size=16, data=digits), (3, 6), (0.1,), 1)
    with pytest.raises(PellucidError, match="holds an experiment with size 5000, this one has 8000"):
        run_experiment(other, tmp_path, workers=1)
    (tmp_path / "cells/depth-03_fraction-0.1_seed-0.json").write_text("{}")
    with pytest.raises(PellucidError, match=r"seed-0\.json: expected a cell's result"):
        run_experiment(small(digits, (0.1,), 1), tmp_path, workers=1)


def test_statistics_are_the_textbooks() -> None:
    found = sample([2, 4, 4, 4, 5, 5, 7, 9])
    assert (found.mean, found.n) == (5, 8)
    assert found.deviation == pytest.approx((32 / 7) ** 0.5)
    assert found.margin == pytest.approx(2.365 * (32 / 7 / 8) ** 0.5, rel=3e-3)
    assert [t_quantile(n) for n in (1, 4)] == [12.71, 2.78]
    assert [t_quantile(n) for n in (11, 20, 120)] == pytest.approx([2.201, 2.086, 1.980], abs=1e-3)
    assert paired([1, 2, 3], [2, 3.1, 3.9]).sign == 1
    assert paired([1, 2, 3], [2, 1, 4]).sign == 0
    assert sample([1]).sign == 0


def findings(gains: dict[float, float], swing: float = 0.0001) -> Findings:
    """Networks of 3 and 6 convolutions; the second is better by what is given for each fraction, more or less."""
    noise = np.random.default_rng(0)
    results = {}
    for fraction, gain in gains.items():
        for seed in range(4):
            level = 0.8 + fraction + 0.01 * noise.standard_normal()
            for depth in (3, 6):
                accuracy = level + (gain + swing * (-1) ** seed) * (depth == 6)
                results[Cell(depth, fraction, seed)] = Result(accuracy, round(60_000 * fraction), 0.1)
    return Findings(Settings(), family("parameters", 20_000, (3, 6), (1, 28, 28), 10), results)


def test_the_report_says_what_the_figures_support(tmp_path: Path) -> None:
    path = write_report(findings({0.01: 0.05, 0.1: 0.01}), tmp_path, "pellucid depth-experiment")
    text = path.read_text()
    supported, unsupported = text.split("## What they don't")
    assert "- With 600 images, networks of 6 convolutions are more accurate than those of 3." in supported
    assert "- The gain of 6 over 3 convolutions is larger with the least data than with the most" in supported
    assert "the interval holds 0" not in unsupported
    assert "tuned for none of them" in unsupported
    assert text.count("(4) |") == 4
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 1 + 16
    for name in ("accuracy-against-depth.png", "accuracy-against-data.png"):
        assert f"({name})" in text
        assert Image.open(io.BytesIO((tmp_path / name).read_bytes())).width > 800


def test_the_report_claims_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    text = write_report(findings({0.01: 0.0, 0.1: 0.0}, swing=0.01), tmp_path, "").read_text()
    assert "- No difference between depths: no interval lies on one side of 0." in text
    assert "- Whether 6 convolutions beat 3 with 600 images: the interval holds 0." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--data-fractions 0.5 0", "data fraction 0: expected more than 0"),
        ("--depths 3 4", "depth 4: expected a multiple of 3"),
        ("--budget width", "budget"),
        ("--seeds 0", "at least 1, got 0"),
        ("--steps 0", "at least 1, got 0"),
        ("--data nowhere", "no data 'nowhere'"),
        ("--out {file}/out", "cannot write"),
    ],
)
def test_bad_input_is_one_line(
    arguments: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    words = arguments.format(file=tmp_path / "file").split()
    out = [] if "--out" in words else ["--out", str(tmp_path / "out")]
    assert main(["depth-experiment", *words, *out]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
