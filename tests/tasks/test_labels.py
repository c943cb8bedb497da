"""Several labels an image: the loss against its definition, measures against scikit-learn's."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid import cli
from pellucid.errors import PellucidError
from pellucid.tasks import Labels
from pellucid.tasks.labels import average_precision
from small_runs import one_thread_of_numpy

RNG = np.random.default_rng(0)
LOGITS, TRUTH = RNG.normal(size=(30, 4)), RNG.integers(0, 2, (30, 4))
NAMES = tuple("abcd")


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


def test_the_loss_is_its_definition() -> None:
    weights = np.array([1.0, 3.0, 0.5, 2.0])
    task = Labels(NAMES, weights.tolist())
    p = 1 / (1 + np.exp(-LOGITS))
    loss, gradient = task.loss(LOGITS, TRUTH)
    each = -(weights * TRUTH * np.log(p) + (1 - TRUTH) * np.log(1 - p))
    assert loss == pytest.approx(each.sum() / 30, rel=1e-12)
    for place in ((0, 0), (3, 1), (29, 3)):
        step = np.zeros_like(LOGITS)
        step[place] = 1e-5
        slope = (task.loss(LOGITS + step, TRUTH)[0] - task.loss(LOGITS - step, TRUTH)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, abs=1e-9)
    halves = [task.loss(LOGITS[part], TRUTH[part], np.array([30.0]))[0] for part in (slice(10), slice(10, 30))]
    assert sum(halves) == pytest.approx(loss, rel=1e-12)


def test_large_logits_stay_finite() -> None:
    loss, gradient = Labels(("a", "b")).loss(np.array([[1e4, -1e4]]), np.array([[0, 1]]))
    assert loss == pytest.approx(2e4) and gradient.tolist() == [[1, -1]]
    with pytest.raises(PellucidError, match="shape"):
        Labels(("a", "b")).loss(np.zeros((1, 2)), np.zeros((1, 3)))


def test_measures_are_those_of_scikit_learn_however_parted() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    whole, first, second = (Labels(NAMES).metrics() for _ in range(3))
    whole.update(LOGITS, TRUTH)
    first.update(LOGITS[:11], TRUTH[:11])
    second.update(LOGITS[11:], TRUTH[11:])
    first.merge(second.state())
    given = LOGITS >= 0
    expected = {
        "f1": metrics.f1_score(TRUTH, given, average="micro"),
        "all_right": metrics.accuracy_score(TRUTH, given),
        "map": metrics.average_precision_score(TRUTH, LOGITS, average="macro"),
    }
    assert whole.result() == pytest.approx(expected)
    assert first.result() == pytest.approx(expected)
    for k, score in enumerate(whole.per_class()):
        assert score.precision == pytest.approx(metrics.precision_score(TRUTH[:, k], given[:, k]))
        assert score.recall == pytest.approx(metrics.recall_score(TRUTH[:, k], given[:, k]))
    ties = np.array([0.5, 0.5, 0.5, 0.1, 0.9])
    truth = np.array([True, False, True, True, False])
    assert average_precision(ties, truth) == pytest.approx(metrics.average_precision_score(truth, ties))


def test_every_label_that_is_likelier_than_not_is_named() -> None:
    found = Labels(NAMES).decode(np.array([[2.0, -1.0, 3.0, 0.5], [-3.0, -1.0, -2.0, -4.0]]), top=1)
    assert [[guess.name for guess in guesses] for guesses in found] == [["c", "a", "d"], ["b"]]


def test_pictures_with_labels_are_learnt_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["file,labels"]
    (tmp_path / "photos").mkdir()
    for number in range(40):
        red, round_ = number % 2, number // 2 % 2
        y, x = np.mgrid[:24, :24] - 11.5
        form = (y**2 + x**2 < 64) if round_ else (abs(y) < 7) & (abs(x) < 2)
        pixels = RNG.integers(0, 40, (24, 24, 3)).astype(np.uint8)
        pixels[form] = (220, 30, 30) if red else (30, 30, 220)
        Image.fromarray(pixels).save(f"photos/{number}.png")
        rows.append(f"{number}," + "|".join(["red"] * red + ["round"] * round_))
    Path("photos/labels.csv").write_text("\n".join(rows))
    few = ("--epochs", "40", "--backend", "numpy", "--set", "network.widths=[8, 8]", "--rate", "0.02")
    assert cli.main(["train", "photos/", "--out", "run", *few]) == 0
    assert "2 labels: red 20, round 20" in capsys.readouterr().out
    assert cli.main(["evaluate", "run", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["f1"] > 0.9 and {row["label"] for row in measured["classes"]} == {"red", "round"}
    assert cli.main(["predict", "run", "photos/3.png", "--json"]) == 0
    guesses = json.loads(capsys.readouterr().out)[0]["guesses"]
    assert {guess["class"] for guess in guesses if guess["probability"] > 0.5} == {"red", "round"}
    answer = pl.load("run").predict("photos/3.png")
    assert set(answer.labels or ()) == {"red", "round"} and answer.values is None
    told = {guess["class"]: guess["probability"] for guess in guesses}
    assert answer.probabilities == pytest.approx([told[name] for name in answer.class_names], abs=1e-6)
    assert answer.text().startswith(f"{answer.name} {100 * (answer.probability or 0):.1f} %, ")
    assert cli.main(["evaluate", "run", "--report"]) == 0
    page = Path("run/report.html").read_text()
    assert "Precision and recall by label" in page and "<td>round</td><td>4</td>" in page
    assert "The 8 images of the largest loss" in page and page.count(".png</td>") == 8
    assert cli.main(["explain", "run", "photos/3.png", "--class", "round", "--method", "grad-cam", "--out", "."]) == 0
    assert Path("3-explained.png").exists()
