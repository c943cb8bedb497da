"""`pellucid precision`, `shrink` and `export`, from a run to a program, and what they refuse."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from pellucid import ops
from pellucid.cli import main
from pellucid.data import Data, load_data, mnist_dataset
from pellucid.errors import PellucidError
from pellucid.export.chips import find_chip, read_chips
from pellucid.graph import Sequential
from pellucid.layers import AvgPool2d, Flatten, Linear, ReLU
from pellucid.network import Network
from pellucid.plan.integer_affine import IntegerAffine
from pellucid.precision import quantize
from pellucid.recipes import Recipe, load_recipe, open_model, start_run
from pellucid.recipes.fit_chip import fit_run
from pellucid.recipes.format_comparison import compare_run
from pellucid.recipes.model import model_notes
from pellucid.recipes.shrink import calibration_images, open_shrunk
from pellucid.weights import save_model
from small_runs import digits, one_thread_of_numpy

NUMPY = ("--backend", "numpy", "--threads", "1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of tiny-digits on few digits."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    recipe = load_recipe("tiny-digits", {"training.epochs": 2, "training.batch_size": 32, "training.ema": 0.9})
    with one_thread_of_numpy(), pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        trainer, _ = start_run(recipe, folder, data=digits())
        assert trainer.fit()
    return folder


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command line says of a mistake: one line, exit code 2."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    return said.err


def test_from_a_run_to_a_program(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shrink", str(run), *NUMPY]) == 0
    assert "int4, trained" in capsys.readouterr().out
    assert main(["export", str(run), "--to", "c", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "RAM: " in said
    assert "flash: " in said

    subprocess.run(["make", "-s", "-C", tmp_path], check=True)
    q = np.asarray(mnist_dataset(train=False).inputs[np.arange(5)])
    shrunk = open_shrunk(run)
    for i, pixels in enumerate(q):
        (tmp_path / f"{i}.pgm").write_bytes(b"P5 28 28 255\n" + pixels.tobytes())
    paths = [tmp_path / f"{i}.pgm" for i in range(len(q))]
    printed = subprocess.run([tmp_path / "demo", *paths], capture_output=True, text=True, check=True).stdout
    for line, logits in zip(printed.splitlines(), shrunk.network.integer_logits(q), strict=True):
        assert line.endswith(f"{logits.argmax()}  (logits {' '.join(map(str, logits))})")


def test_a_run_without_integers_is_shrunk_by_export(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kept in the run, as by pellucid shrink; of other bits than it was trained for it stays refused."""
    monkeypatch.setattr("pellucid.recipes.shrink.build_data", lambda *_: digits())
    fresh = tmp_path / "fresh"
    shutil.copytree(run, fresh, ignore=shutil.ignore_patterns("int*"))
    assert "trained with rounding to 4 bits, cannot be shrunk to 8" in complaint(
        capsys, "export", fresh, "--bits", "8", "--out", tmp_path / "c"
    )
    assert not (tmp_path / "c").exists()
    assert main(["export", str(fresh), "--to", "c", "--out", str(tmp_path / "c")]) == 0
    assert "fresh/int4.safetensors (int4, trained) to " in capsys.readouterr().out
    written = (tmp_path / "c" / "network.c").read_text()
    assert main(["shrink", str(fresh), *NUMPY]) == 0
    assert main(["export", str(fresh), "--to", "c", "--out", str(tmp_path / "c")]) == 0
    assert (tmp_path / "c" / "network.c").read_text() == written


def test_comparison_of_formats(run: Path) -> None:
    with one_thread_of_numpy():
        found = compare_run(run, digits())
    rows = found.rows
    assert [row.format for row in rows] == ["float64", "float32", "float16", "bfloat16", "int4, trained"]
    assert (found.measure, found.note) == ("accuracy", "")
    by_name = {row.format: row for row in rows}
    assert by_name["float64"].changed == by_name["float64"].logit_difference == 0
    assert by_name["float64"].weight_bytes == 2 * by_name["float32"].weight_bytes
    assert by_name["float32"].activation_bytes == 2 * by_name["bfloat16"].activation_bytes
    # integers: a byte a number but the ten logits, which have four
    assert 2 * (by_name["int4, trained"].activation_bytes - 40) == by_name["float16"].activation_bytes - 20
    assert 0 < by_name["float32"].logit_difference < by_name["float16"].logit_difference
    assert by_name["float16"].logit_difference < by_name["bfloat16"].logit_difference
    assert all(row.images_per_second > 0 and row.predictions == 90 for row in rows)
    assert all(row.milliseconds == pytest.approx(1e3 / row.images_per_second) for row in rows)
    assert [row.instructions for row in rows] == [ops.instructions(row.format.split(",")[0]) for row in rows]


def test_some_formats_of_some_images_of_a_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pellucid.recipes.format_comparison.build_data", lambda *_: digits())
    monkeypatch.setattr("pellucid.cli.answers._EVERY", 5)
    monkeypatch.setattr("pellucid.recipes.format_report.TIMED_ROUNDS", 1)
    few = ("--formats", "float32,int4", "--samples", "20", *NUMPY)
    assert main(["precision", str(run / "model.safetensors"), *few, "--json"]) == 0
    said = capsys.readouterr()
    assert [row["format"] for row in json.loads(said.out)["rows"]] == ["float32", "int4, trained"]
    assert all(row["predictions"] == 20 for row in json.loads(said.out)["rows"])
    assert "5 of 20 pictures" in said.err
    assert (run / "precision.png").exists()
    (tmp_path / "file").touch()
    assert main(["precision", str(run), *few, "--out", str(tmp_path / "file" / "p.png")]) == 2
    assert "20 of 90 images" in capsys.readouterr().out  # the table is there though the picture can't be
    assert "expected some of float64, " in complaint(capsys, "precision", run, "--formats", "float7")


def test_a_network_without_integers_is_compared_in_floats(run: Path, tmp_path: Path) -> None:
    model = open_model(run)
    layer = Sequential(AvgPool2d(3, stride=1, padding=1, count_padding=True), ReLU(), Flatten(), Linear(10))
    strange = replace(model, network=Network(layer, (1, 28, 28)), recipe=load_recipe("deep-convnet"))
    with one_thread_of_numpy(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("pellucid.recipes.format_comparison.open_model", lambda run: strange)
        found = compare_run(tmp_path, digits())
    assert [row.format for row in found.rows] == ["float64", "float32", "float16", "bfloat16"]
    assert "no integers: layer 0 (AvgPool2d)" in found.note
    elements = 4 * 28 * 28 + 10
    assert [row.activation_bytes for row in found.rows] == [8 * elements, 4 * elements, 2 * elements, 2 * elements]


def test_the_command_draws_and_prints(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pellucid.recipes.format_comparison.build_data", lambda *_: digits())
    picture = tmp_path / "p.png"
    assert main(["precision", str(run), "--out", str(picture), "--json", *NUMPY]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 5
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_fine_tuning_with_rounding(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pellucid.recipes.shrink.build_data", lambda *_: digits())
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("tiny-digits", {"training.epochs": 1, "training.weight_bits": 0})
    with one_thread_of_numpy():
        trainer, folder = start_run(recipe, tmp_path / "plain", data=digits())
        assert trainer.fit()
    assert main(["shrink", str(folder.path), "--bits", "2", "--epochs", "1", *NUMPY]) == 0
    shrunk = open_shrunk(folder.path, 2)
    assert (shrunk.network.bits, shrunk.epochs, shrunk.title) == (2, 1.0, "int2, trained")


def test_fit_chip(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pellucid.recipes.fit_chip.build_data", lambda *_: digits())
    assert main(["fit-chip", str(run), "--chip", "nucleo-f446re"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"fits +yes +yes\n", said)
    assert re.search(r"ms at 180 MHz \(estimate\) +\d+\.\d +\d+\.\d\n", said)
    assert main(["fit-chip", str(run), "--chip", "3k,64k,cortex-m3", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    row, fewer = told["rows"]
    assert (row["bits"], fewer["bits"]) == (4, 2)
    assert (row["bits"], row["compiled"], row["fits"], row["milliseconds"]) == (4, "-Os", False, None)
    assert 0 <= row["measure"] <= 1
    assert "images 0." in told["advice"][1]
    assert re.fullmatch(r"with --rows, images row by row, 2,\d+ bytes of RAM would do", told["advice"][2])
    assert main(["fit-chip", str(run), "--chip", "3k,64k,cortex-m3", "--rows"]) == 0
    assert re.search(r"fits +yes\n|fits +no +yes\n|fits +yes +yes\n", capsys.readouterr().out)
    assert main(["fit-chip"]) == 0
    assert "rp2040" in capsys.readouterr().out
    assert "did you mean rp2040" in complaint(capsys, "fit-chip", run, "--chip", "rp204")
    assert "trained with rounding to 4 bits" in complaint(capsys, "fit-chip", run, "--chip", "rp2040", "--bits", 8)


def test_what_others_measured_stands_beside_the_estimate(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pellucid.recipes.fit_chip.build_data", lambda recipe, held_out=None: digits())
    text = '[chips.toaster]\ncore = "cortex-m3"\nmhz = 8\nram = 8192\nflash = 32768\n'
    for name, side, milliseconds in (("tiny-digits", 28, 321), ("tiny-digits", 32, 400), ("resnet8", 28, 500)):
        text += f'[[published]]\nchip = "toaster"\nnetwork = {{ name = "{name}" }}\nsize = [{side}, {side}]\n'
        text += f'milliseconds = {milliseconds}\nsource = "a friend"\n'
    (tmp_path / "mine.toml").write_text(text)
    asked = ("fit-chip", str(run), "--chips", str(tmp_path / "mine.toml"), "--chip")
    assert main([*asked, "toaster"]) == 0
    assert re.findall(r"published.*: (\S+) ms \(a friend\)", capsys.readouterr().out) == ["321.0"]
    assert main([*asked, "rp2040", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["published"] == []


def only_as_they_are(recipe: Recipe, *_: object) -> Data:
    if recipe.data.size is not None:
        raise PellucidError(f"images of {recipe.data.size}")
    return digits()


def test_what_is_smaller_is_trained_where_a_network_does_not_fit(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pellucid.recipes.fit_chip.build_data", only_as_they_are)
    with one_thread_of_numpy():
        assert main(["fit-chip", str(run), "--chip", "3k,64k,cortex-m3", "--train", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    whole, _, narrow, *_ = told["rows"]
    assert (whole["change"], whole["fits"]) == ("", False)
    assert re.fullmatch(r"layers x 0\.\d\d", narrow["change"])
    assert narrow["fits"] and narrow["ram"] <= 3072 and 0 <= narrow["measure"] <= 1
    assert narrow["multiply_adds"] < whole["multiply_adds"]
    assert any(re.fullmatch(r"images were not made smaller: images of \(\d+, \d+\)", line) for line in told["advice"])


@pytest.mark.parametrize("trained_for", [0, 8])
def test_fewer_bits_are_tried_where_a_network_does_not_fit(
    trained_for: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a run that learnt with rounding too, to fewer bits than it learnt for."""
    monkeypatch.setattr("pellucid.recipes.fit_chip.build_data", lambda *_: digits())
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("tiny-digits", {"training.epochs": 1, "training.weight_bits": trained_for})
    with one_thread_of_numpy():
        trainer, folder = start_run(recipe, tmp_path / "plain", data=digits())
        assert trainer.fit()
        assert main(["fit-chip", str(folder.path), "--chip", "8k,10k,cortex-m4@64", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(row["bits"], row["fits"]) for row in told["rows"]] == [(8, False), (4, True), (2, True)]
    assert all(row["measure"] is not None for row in told["rows"])
    assert told["advice"] == ["weights of 4 bits fit: pellucid shrink --bits 4 --epochs 1 learns them with rounding"]


def test_what_is_far_too_large_for_a_chip_is_said_at_once(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without data, which nobody has to wait for."""

    def never(*_: object) -> Data:
        raise AssertionError("data were read")

    monkeypatch.setattr("pellucid.recipes.fit_chip.build_data", never)
    for chip, said in (("600,4k,cortex-m3", "a larger chip"), ("2k,500,cortex-m3", "the code or its stack alone")):
        assert main(["fit-chip", str(run), "--chip", chip, "--json", "--train"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert [(row["bits"], row["fits"], row["measure"]) for row in told["rows"]] == [(2, False, None)]
        (advice,) = told["advice"]
        assert said in advice


def test_what_is_smaller_learns_with_the_bits_that_it_is_said_to_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a run that learnt with 8 bits has room for weights of 4, but not for its images."""
    learnt: list[int] = []

    def no_further(recipe: Recipe, *_: object) -> None:
        learnt.append(recipe.training.weight_bits)
        raise PellucidError("enough")

    recipe = load_recipe("tiny-digits", {"training.epochs": 0.01, "training.weight_bits": 8})
    monkeypatch.setattr("pellucid.recipes.fit_chip.build_data", only_as_they_are)
    with one_thread_of_numpy(), ops.use_backend("numpy"):
        trainer, folder = start_run(recipe, tmp_path / "eight", data=digits())
        assert trainer.fit()
        monkeypatch.setattr("pellucid.recipes.fit_chip.build_trainer", no_further)
        report = fit_run(folder.path, find_chip("3k,10k,cortex-m4@64", read_chips()), train=True)
    assert "layers were not made smaller: enough" in report.advice
    assert learnt == [4]


def test_a_run_of_eight_bits_learns_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights are rounded anew, from what was learnt in floats; converted only, or trained on."""
    monkeypatch.setattr("pellucid.recipes.shrink.build_data", lambda *_: digits())
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("tiny-digits", {"training.epochs": 1, "training.weight_bits": 8})
    with one_thread_of_numpy():
        trainer, folder = start_run(recipe, tmp_path / "eight", data=digits())
        assert trainer.fit()
    assert main(["shrink", str(folder.path), "--bits", "4", *NUMPY]) == 0
    converted = open_shrunk(folder.path, 4)
    assert (converted.network.bits, converted.title) == (4, "int4")
    levels = [np.unique(step.weight) for step in converted.network.steps if isinstance(step, IntegerAffine)]
    assert all(len(found) <= 16 for found in levels) and len(levels) == 6
    assert main(["shrink", str(folder.path), "--bits", "4", "--epochs", "1", *NUMPY]) == 0
    assert open_shrunk(folder.path, 4).title == "int4, trained"
    with one_thread_of_numpy():
        names = [row.format for row in compare_run(folder.path, digits(), formats=["int8", "int4"]).rows]
    assert names == ["int8, trained", "int4, trained"]


def test_mistakes_are_one_line(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected one of 8, 4, 2, got 3" in complaint(capsys, "shrink", run, "--bits", 3)
    assert "trained with rounding to 4 bits, cannot be shrunk to 8" in complaint(capsys, "shrink", run, "--bits", 8)
    assert "epochs = -1.0: expected 0 or more" in complaint(capsys, "shrink", run, "--bits", 4, "--epochs", -1)
    assert "no run" in complaint(capsys, "precision", "nowhere")
    assert "expected one of 8, 4, 2, got 5" in complaint(capsys, "export", run, "--bits", 5)
    (run / "int8.safetensors").write_bytes(b"nonsense")
    assert "expected a safetensors file" in complaint(capsys, "export", run, "--bits", 8)
    assert "expected a 'pellucid integer network 1'" in complaint(capsys, "export", run / "model.safetensors")
    assert "--precision" in complaint(capsys, "train", "--precision", "float8")


def test_layers_with_their_ranges_and_errors(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pellucid.recipes.layer_errors.build_data", lambda *_: digits())
    picture = tmp_path / "layers.png"
    with one_thread_of_numpy():
        assert main(["precision", str(run), "--layers", "--out", str(picture), "--json", *NUMPY]) == 0
    rows = json.loads(capsys.readouterr().out)["bits"]["4"]
    assert len(rows) == 6  # five convolutions, with their norms, and the affine layer
    assert not any("-rounded" in str(row) for row in rows)  # layers are called as they were written
    assert all(0 < row["error"] < 1 and row["low"] < row["high"] for row in rows)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_model_that_came_without_data_is_given_some(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """shrink and precision learn ranges from the training images and measure on the others."""
    monkeypatch.chdir(tmp_path)
    some = mnist_dataset(train=False).subset(range(80))
    for i, (image, label) in enumerate(zip(np.asarray(some.inputs), np.asarray(some.targets), strict=True)):
        Path("others", str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(Path("others", str(label), f"{i}.png"))
    model, alone = open_model(run), Path("alone/model.safetensors")
    alone.parent.mkdir()
    source = msgspec.structs.replace(model.recipe.data, source="pictures")
    about = msgspec.structs.replace(model.recipe, data=source)
    notes = model_notes(about, model.image_shape, model.class_names, model.framing, model.class_ids)
    save_model(alone, model.network, notes)
    chip = "--chip", "20k,64k,cortex-m3@72"
    with one_thread_of_numpy():
        for command in (("shrink", alone), ("precision", alone), ("fit-chip", alone, *chip)):
            assert "expected --data FOLDER" in complaint(capsys, *command)
            assert "no data 'nowhere'" in complaint(capsys, *command, "--data", "nowhere")
        assert main(["fit-chip", str(alone), "--data", "others", *chip]) == 0
    assert "int4" in capsys.readouterr().out

    learnt: list[tuple[str, int]] = []

    def no_further(recipe: Recipe, data: Data, *_: object) -> None:
        learnt.append((data.train.name, len(data.train)))
        raise PellucidError("enough")

    with monkeypatch.context() as patch, one_thread_of_numpy():
        patch.setattr("pellucid.recipes.fit_chip.build_trainer", no_further)
        small = ["--chip", "3k,10k,cortex-m4@64", "--train"]
        assert main(["fit-chip", str(alone), "--data", "others", *small]) == 1
    assert "layers were not made smaller: enough" in capsys.readouterr().out
    assert learnt and all(name.startswith("others") and 0 < count < 80 for name, count in learnt)

    assert main(["shrink", str(alone), "--data", "others", *NUMPY]) == 0
    kept = open_shrunk(alone.parent)
    data = load_data("others", framing=model.framing)
    assert (len(data.train), len(data.test)) == (80 - len(data.test), len(data.lists["test"]))
    images = calibration_images(about, data)
    expected = quantize(model.network, images, 4)
    pixels = np.asarray(some.inputs)
    assert np.array_equal(kept.network.integer_logits(pixels), expected.integer_logits(pixels))

    capsys.readouterr()
    formats = ("--formats", "float32,int4", "--samples", "100")
    assert main(["precision", str(alone), "--data", "others", *formats, "--out", "p.png", *NUMPY]) == 0
    assert f"others test, {len(data.test)} images" in capsys.readouterr().out
    assert main(["precision", str(alone), "--data", "others", "--layers", "--out", "l.png", *NUMPY]) == 0
    assert Path("l.png").exists()
