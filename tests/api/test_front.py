"""The front door: what a person writes in Python, from data to a file and back."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid.training.schedules import Cosine


def small(train: int = 1500, test: int = 300) -> "pl.data.Data":
    data = pl.data.mnist()
    return replace(data, train=data.train.subset(range(train)), test=data.test.subset(range(test)))


def network(shape: tuple[int, ...] = (1, 28, 28), classes: int = 10) -> pl.Network:
    layers = pl.nn.Conv2d(8), pl.nn.ReLU(), pl.nn.MaxPool2d(2), pl.nn.Flatten(), pl.nn.Linear(classes)
    return pl.Network(pl.nn.Sequential(*layers), shape)


@pytest.fixture(scope="module")
def run() -> pl.Run:
    return pl.fit(network(), small(), optimizer=pl.optim.Adam(3e-3), epochs=3, batch_size=64, verbosity=0)


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys, pellucid; print(sorted(m for m in sys.modules if m.split('.')[0] in {'pellucid', 'numpy'}))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "['pellucid']"


def test_every_name_that_dir_shows_is_there() -> None:
    assert {"Network", "fit", "load", "nn", "optim", "data"} <= set(dir(pl))
    for name in dir(pl):
        assert getattr(pl, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = pl.fitt  # type: ignore[attr-defined]


def test_a_few_lines_train_a_network_that_reads_digits(run: pl.Run) -> None:
    assert run.finished
    assert len(run.history) == 3
    measured = run.evaluate()
    assert measured["accuracy"] > 0.8
    data = small()
    guesses = run.model.predict(np.asarray(data.test.inputs))
    right = np.mean(np.array(guesses.labels) == np.asarray(data.test.targets))
    assert measured["accuracy"] == pytest.approx(right)
    assert guesses[0].probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_a_saved_model_says_the_same_in_another_process(run: pl.Run, tmp_path: Path) -> None:
    file = tmp_path / "digits.safetensors"
    run.model.save(file)
    image = np.asarray(small().test.inputs)[0]
    np.save(tmp_path / "image.npy", image)
    code = (
        f"import numpy as np, pellucid as pl; p = pl.load({str(file)!r}).predict(np.load({str(tmp_path)!r} + "
        "'/image.npy')); print(p.name, p.probabilities.tobytes().hex())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = run.model.predict(image)
    assert printed.split() == [here.name, here.probabilities.tobytes().hex()]


def test_images_in_every_form_get_the_same_answer(run: pl.Run, tmp_path: Path) -> None:
    from PIL import Image

    image = np.asarray(small().test.inputs)[0]
    picture = Image.fromarray(image[0])
    picture.save(tmp_path / "digit.png")
    first = run.model.predict(image)
    path = tmp_path / "digit.png"
    forms = [path, str(path), image.transpose(1, 2, 0), image[0], image.astype(np.float32) / 255]
    for form in forms:
        assert np.allclose(run.model.predict(form).probabilities, first.probabilities, atol=1e-6)
    several = run.model.predict([path, path])
    assert len(several) == 2
    assert "data:image/png" in several._repr_html_()
    batch = run.model.predict(image[None].transpose(0, 2, 3, 1))
    assert len(batch) == 1
    assert batch[0].label == first.label


@pytest.mark.parametrize("name", ["x.jpg", "x.png"])
def test_a_picture_that_lies_on_its_side_is_answered_as_its_file(run: pl.Run, tmp_path: Path, name: str) -> None:
    from PIL import Image

    digit = Image.fromarray(np.asarray(small().test.inputs)[0, 0]).resize((56, 84))
    notes = Image.Exif()
    notes[0x0112] = 6
    digit.transpose(Image.Transpose.ROTATE_90).save(tmp_path / name, exif=notes)
    expected = run.model.predict(tmp_path / name).probabilities
    converted = Image.open(tmp_path / name).convert("RGB")  # keeps the note, as it keeps how the pixels lie
    for picture, close in ((digit, 0.2), (Image.open(tmp_path / name), 0), (converted, 1e-6)):
        found = run.model.predict(picture).probabilities
        assert found is not None and expected is not None and np.allclose(found, expected, atol=close)


def test_a_picture_with_damaged_notes_lies_as_its_pixels_do(run: pl.Run, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.asarray(small().test.inputs)[0, 0]).save(tmp_path / "x.png", exif=b"no notes")
    expected, found = (run.model.predict(it) for it in (tmp_path / "x.png", Image.open(tmp_path / "x.png")))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_a_run_folder_is_what_the_command_line_makes(tmp_path: Path) -> None:
    run = pl.fit(network(), small(300, 100), epochs=1, folder=tmp_path / "run", verbosity=0)
    model = pl.load(tmp_path / "run")
    assert model.network.digest() == run.network.digest()
    assert {file.name for file in (tmp_path / "run").iterdir()} >= {"recipe.toml", "history.jsonl", "curve.png"}
    images = np.asarray(small().test.inputs)[:5]
    assert model.predict(images).labels == run.model.predict(images).labels


def test_containers_of_every_kind_come_back_from_a_file(tmp_path: Path) -> None:
    nn = pl.nn
    block = nn.Residual(nn.Sequential(nn.Conv2d(4, padding=1), nn.BatchNorm2d()), nn.Conv2d(4, 1))
    graph = nn.Graph(
        nn.Node(nn.Conv2d(3, padding=1), "input", "a"),
        nn.Node(nn.ReLU(), "a", "b"),
        nn.Node(nn.Concat(), ("a", "b"), "c"),
        outputs="c",
    )
    rest = nn.Branches(nn.Conv2d(2, 1), nn.Conv2d(2, (1, 1)), join=nn.Concat())
    net = pl.Network(nn.Sequential(block, graph, rest, nn.GlobalAvgPool2d(), nn.Linear(10)), (1, 28, 28))
    run = pl.fit(net, small(100, 50), epochs=1, verbosity=0)
    run.model.save(tmp_path / "net.safetensors")
    assert repr(pl.load(tmp_path / "net.safetensors").network) == repr(net)


class Doubled(pl.nn.Layer):
    """Twice the input."""

    def forward(self, x: np.ndarray, context: pl.nn.Context = pl.nn.INFERENCE) -> np.ndarray:
        return 2 * x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return 2 * dy


class Wrong(Doubled):
    """As Doubled, with a mistake."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return 3 * dy


def test_own_layers_are_checked_saved_and_come_back(tmp_path: Path) -> None:
    assert pl.check(Doubled(), (3, 4, 4))["input"] < 1e-6
    with pytest.raises(pl.PellucidError, match="gradient of input"):
        pl.check(Wrong(), (3,))
    net = pl.Network(pl.nn.Sequential(Doubled(), pl.nn.Flatten(), pl.nn.Linear(10)), (1, 28, 28))
    pl.fit(net, small(100, 50), epochs=1, verbosity=0).model.save(tmp_path / "own.safetensors")
    assert pl.load(tmp_path / "own.safetensors").network.digest() == net.digest()
    code = f"import pellucid as pl; pl.load({str(tmp_path / 'own.safetensors')!r})"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "code that is not in this file" in failed.stderr


def test_a_table_is_learnt_by_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    y = X @ rng.normal(size=(5, 2))
    data = pl.data.arrays(X, y)
    net = pl.Network(pl.nn.Linear(2), data.shape)
    run = pl.fit(net, data, optimizer=pl.optim.Adam(0.05), epochs=40, batch_size=32, verbosity=0)
    measured = run.evaluate()
    assert measured["r2"] > 0.999
    test = np.asarray(data.test.inputs)
    found = np.array([answer.values for answer in run.model.predict(test)])
    wanted = np.asarray(data.test.targets)
    assert measured["mse"] == pytest.approx(((found - wanted) ** 2).mean(), rel=1e-4)
    unexplained = ((found - wanted) ** 2).sum(0) / ((wanted - wanted.mean(0)) ** 2).sum(0)
    assert measured["r2"] == pytest.approx((1 - unexplained).mean(), rel=1e-6)
    run.model.save(tmp_path / "table.safetensors")
    assert np.allclose(pl.load(tmp_path / "table.safetensors").predict(test[0]).values, found[0])


def test_labels_by_name_and_images_in_either_layout() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (60, 6, 7, 3), dtype=np.uint8)
    y = np.array(["cat", "dog", "owl"])[np.arange(60) % 3]
    data = pl.data.arrays(X, y, test=0.5)
    other = pl.data.arrays(X.transpose(0, 3, 1, 2), list(y), test=0.5)
    assert data.class_names == ("cat", "dog", "owl")
    assert data.shape == (3, 6, 7)
    assert data.train.digest == other.train.digest
    again = pl.data.arrays(X, y.astype(object), test=(X[:5], y[:5]))
    assert len(again.test) == 5


@pytest.mark.parametrize(
    ("X", "y", "said"),
    [
        (np.zeros((4, 2, 2, 2, 2)), [0, 1, 0, 1], "expected images"),
        (np.array([[{}], [{}]], object), [0, 1], "expected numbers"),
        (np.array([[np.nan], [1]]), [0, 1], "NaN"),
        (np.zeros((4, 2)), [0, 1, 0], "4 samples and 3 targets"),
        (np.zeros((4, 3, 5, 3)), [0, 1, 0, 1], "layout"),
        (np.full((4, 1, 5, 5), 300), [0, 1, 0, 1], "0 to 255"),
        (np.zeros((0, 2)), [], "at least one"),
        (np.zeros((4, 2)), np.zeros((4, 2, 2, 2)), "y: expected"),
        (np.zeros((2, 2)), np.array([0.5, np.inf]), "y: expected finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_line(X: np.ndarray, y: np.ndarray, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        pl.data.arrays(X, y)
    assert isinstance(caught.value, pl.PellucidError)
    assert "\n" not in str(caught.value)


def test_networks_and_arrays_of_another_shape_are_refused(run: pl.Run) -> None:
    with pytest.raises(ValueError, match=r"expected a network of input \(1, 28, 28\)"):
        pl.fit(network((3, 28, 28)), small(100, 50))
    with pytest.raises(ValueError, match=r"expected images of shape \(1, 28, 28\)"):
        run.model.predict(np.zeros((2, 1, 14, 14), np.float32))
    with pytest.raises(ValueError, match="expected images of 1 channels"):
        run.model.predict(np.zeros((2, 3, 28, 28), np.float32))
    with pytest.raises(ValueError, match="samples as classes"):
        pl.fit(network(), small(5, 50))
    with pytest.raises(pl.PellucidError, match="outputs of 10"):
        pl.fit(network(classes=9), small(100, 50))
    with pytest.raises(ValueError, match=r"\.safetensors or \.onnx"):
        run.model.save("net.pkl")


def test_schedules_learn_their_steps_from_the_trainer() -> None:
    run = pl.fit(network(), small(128, 50), epochs=2, batch_size=32, schedule=pl.optim.Cosine(warmup=1), verbosity=0)
    assert run.trainer.schedule == Cosine(steps=8, epoch_steps=4, warmup=1)
    with pytest.raises(pl.PellucidError, match="settings go by name"):
        pl.optim.Cosine(0.1)  # type: ignore[arg-type]


def test_early_stopping_ends_where_it_no_longer_gets_better() -> None:
    stop = pl.callbacks.EarlyStopping(2, measure="test.loss")
    net, data = network(), small(200, 100)
    run = pl.fit(net, data, optimizer=pl.optim.Adam(0.02), epochs=60, batch_size=32, callbacks=[stop], verbosity=0)
    losses = [record["test"]["loss"] for record in run.history]
    assert len(losses) < 60
    assert len(losses) - 1 - int(np.argmin(losses)) == 2
    assert run.finished
    assert "no better for 2 epochs" in run.stop_reason
    assert run.evaluate()["loss"] == pytest.approx(min(losses), rel=1e-5)  # the best weights are back


def test_a_callback_ends_training_within_an_epoch() -> None:
    class Third(pl.callbacks.Callback):
        def step(self, trainer: "pl.callbacks.Trainer", loss: float) -> None:
            if trainer.state.step == 3:
                trainer.stop("three are enough")

    run = pl.fit(network(), small(320, 50), epochs=5, batch_size=32, callbacks=[Third()], verbosity=0)
    assert (run.trainer.state.step, len(run.history), run.finished) == (3, 1, True)
    assert run.stop_reason == "three are enough"


def test_functions_and_tables_of_the_history(tmp_path: Path) -> None:
    seen: list[int] = []
    table = pl.callbacks.CSV(tmp_path / "history.csv")

    def note(trainer: pl.callbacks.Trainer, record: pl.callbacks.Record) -> None:
        seen.append(record["epoch"])

    run = pl.fit(network(), small(128, 50), epochs=2, callbacks=[note, table], verbosity=0)
    assert seen == [1, 2]
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert len(lines) == 3
    columns = lines[0].split(",")
    assert float(lines[2].split(",")[columns.index("train.loss")]) == run.history[1]["train"]["loss"]


def test_measures_by_name_are_those_of_the_definition(run: pl.Run) -> None:
    found = pl.fit(network(), small(300, 200), epochs=1, metrics=["precision", "recall", "f1"], verbosity=0)
    measured = found.evaluate()
    labels = np.asarray(small(300, 200).test.targets)
    guesses = np.array(found.model.predict(np.asarray(small(300, 200).test.inputs)).labels)
    ratios = []
    for k in range(10):
        hit, taken, there = ((guesses == k) & (labels == k)).sum(), (guesses == k).sum(), (labels == k).sum()
        ratios.append((hit / max(taken, 1), hit / max(there, 1), 2 * hit / max(taken + there, 1)))
    assert [measured[name] for name in ("precision", "recall", "f1")] == pytest.approx(list(np.mean(ratios, 0)))
    with pytest.raises(pl.PellucidError, match="expected one of precision"):
        pl.fit(network(), small(100, 50), metrics=["accurracy"])


def test_notebooks_show_a_table_and_the_curve(run: pl.Run) -> None:
    table = run.network._repr_html_()
    assert table.count("<tr>") == 1 + 5
    assert "13,610" in table or "13,6" in table
    picture = run._repr_png_()
    assert picture is not None
    assert picture.startswith(b"\x89PNG")


def test_a_model_goes_out_as_onnx_and_comes_back(run: pl.Run, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    file = tmp_path / "digits.onnx"
    run.model.save(file)
    pixels = run.data.test.inputs[:7]
    session = onnxruntime.InferenceSession(str(file))
    (logits,) = session.run(None, {session.get_inputs()[0].name: (pixels / 255).astype(np.float32)})
    np.testing.assert_allclose(logits, run.model.outputs(pixels), rtol=0, atol=1e-4)
    back = pl.load(file)
    assert back.network.digest() == run.model.network.digest()
    assert back.framing == run.model.framing
    np.testing.assert_array_equal(back.outputs(pixels), run.model.outputs(pixels))


def test_a_run_gives_its_web_page_and_floats_are_refused(run: pl.Run, tmp_path: Path) -> None:
    page = run.page(images=4)
    page.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == page.content
    rng = np.random.default_rng(0)
    floats = pl.data.arrays(rng.random((40, 1, 28, 28), np.float32), np.arange(40) % 10)
    with pytest.raises(ValueError, match=r"expected images of bytes \(uint8\), got float32"):
        run.model.page(floats)
    others = pl.data.arrays(np.zeros((40, 1, 28, 28), np.uint8), np.arange(40) % 3)
    with pytest.raises(ValueError, match="page: expected data of the classes 0, 1, 2"):
        run.model.page(others)


ODD_SETTINGS: dict[str, dict[str, object]] = {
    "training.epochs": {"epochs": "3"},
    "training.batch_size": {"batch_size": 2.5},
    "training.batch_size: ": {"batch_size": True},
    "training.seed": {"seed": "a"},
    "data.mean": {"mean": 0.5},
    "data.std": {"std": 0},
    "callbacks": {"callbacks": 3},
    "folder": {"folder": 3},
    "name": {"name": 3},
}


@pytest.mark.parametrize(("place", "odd"), ODD_SETTINGS.items(), ids=ODD_SETTINGS)
def test_settings_of_other_types_are_refused_by_name(place: str, odd: dict[str, object]) -> None:
    data = pl.data.arrays(np.eye(4), [0, 1, 0, 1], test=0.25)
    with pytest.raises(pl.PellucidError, match=f"^{place}.*expected"):
        pl.fit(pl.Network(pl.nn.Linear(2), data.shape), data, **{"epochs": 1, "verbosity": 0, **odd})  # type: ignore[arg-type]


def test_numpys_numbers_are_numbers(tmp_path: Path) -> None:
    """And a path may be bytes."""
    data = pl.data.arrays(np.eye(4), [0, 1, 0, 1], test=0.25)
    numbers = {"epochs": np.float32(2), "batch_size": np.int64(2), "seed": np.uint8(3)}
    folder = str(tmp_path / "run").encode()
    made = pl.Network(pl.nn.Linear(2), data.shape)
    run = pl.fit(made, data, optimizer=pl.optim.Adam(np.float32(0.1)), folder=folder, verbosity=0, **numbers)  # type: ignore[arg-type]
    assert run.recipe.training.epochs == 2
    assert pl.load(folder).class_names == ("0", "1")  # type: ignore[arg-type]


@pytest.mark.parametrize("path", [3, None, "a\0b"])
def test_what_is_no_path_is_said(path: object) -> None:
    with pytest.raises(pl.PellucidError, match=r"^load: expected a path, got"):
        pl.load(path)  # type: ignore[arg-type]


def test_rates_and_layers_take_numbers_only(run: pl.Run) -> None:
    for rate in ("x", True, None):
        with pytest.raises(pl.PellucidError, match=r"^Adam: rate = "):
            pl.optim.Adam(rate)  # type: ignore[arg-type]
    for make in (lambda: pl.nn.Conv2d(True, 3), lambda: pl.nn.Dropout(False)):
        with pytest.raises(pl.PellucidError, match=r"expected .*(True|False)"):
            make()
    with pytest.raises(pl.PellucidError, match=r"^page: data: expected Data, got str"):
        run.model.page("page.html")  # type: ignore[arg-type]


def test_dropout_says_that_no_forward_pass_was_before() -> None:
    layer, x = pl.nn.Dropout(0.5), np.ones((2, 3), np.float32)
    with pytest.raises(pl.PellucidError, match="expected a forward pass before it"):
        layer.backward(x)
    layer.forward(x)
    with pytest.raises(pl.PellucidError, match="expected a forward pass before it"):
        layer.backward(x)
    assert layer.forward(x, pl.nn.DIFFERENTIABLE) is x
    assert layer.backward(x) is x


ODD_CALLS = {
    "shape": (lambda: pl.Network(pl.nn.Linear(3), 3), "^network: expected the shape"),  # type: ignore[arg-type]
    "shape of text": (lambda: pl.Network(pl.nn.Linear(3), "3"), "^network: expected the shape"),  # type: ignore[arg-type]
    "empty shape": (lambda: pl.Network(pl.nn.Linear(3), (0,)), "^network: expected the shape"),
    "no layer": (lambda: pl.Network(None, (3,)), "expected a layer, got NoneType"),  # type: ignore[arg-type]
    "class": (lambda: pl.Network(pl.nn.Linear, (3,)), "the class Linear itself"),  # type: ignore[arg-type]
    "list inside": (
        lambda: pl.Network(pl.nn.Sequential([pl.nn.ReLU()]), (3,)),  # type: ignore[arg-type]
        r"expected layers to be a Layer, got \[ReLU",
    ),
    "size of text": (lambda: pl.data.folder("x", "64"), "^size: expected"),  # type: ignore[arg-type]
    "one side": (lambda: pl.data.folder("x", (8,)), "^size: expected"),  # type: ignore[arg-type]
    "fraction": (lambda: pl.data.folder("x", 8.5), "^size: expected"),  # type: ignore[arg-type]
    "nothing": (lambda: pl.data.folder("x", 0), "^size: expected"),
    "folder": (lambda: pl.data.folder(3), "expected a path, got int"),  # type: ignore[arg-type]
    "VOC": (lambda: pl.data.voc(3), "expected a path, got int"),  # type: ignore[arg-type]
    "COCO": (lambda: pl.data.coco(3), "expected a path, got int"),  # type: ignore[arg-type]
    "IDX": (lambda: pl.data.read_idx(3), "expected a path, got int"),  # type: ignore[arg-type]
    "share": (lambda: pl.data.arrays(np.eye(4), [0, 1, 0, 1], test="x"), "expected a fraction"),  # type: ignore[arg-type]
    "samples": (lambda: pl.data.arrays(3, [3]), "^X: expected at least one sample"),
    "name": (lambda: pl.zoo.create(3, 10), "^unknown network 3"),  # type: ignore[arg-type]
    "warm-up": (lambda: pl.optim.Cosine(warmup="x"), "warmup = 'x', expected a number"),  # type: ignore[arg-type]
    "no number": (lambda: pl.optim.Step(factor=float("nan")), "^schedule: factor = nan"),
}


@pytest.mark.parametrize(("call", "said"), ODD_CALLS.values(), ids=ODD_CALLS)
def test_what_a_call_cannot_take_is_one_line(call: Callable[[], object], said: str) -> None:
    with pytest.raises(pl.PellucidError, match=said):
        call()


def test_boxes_are_drawn_where_they_lie_on_a_picture_that_was_made_smaller() -> None:
    from pellucid.front.predictions import Prediction
    from pellucid.tasks.detections import Detections

    box = Detections(np.array([[200.0, 40.0, 360.0, 200.0]]), np.array([0]), np.array([0.9]))
    pixels = np.zeros((3, 60, 100), np.uint8)
    small = Detections(box.boxes / 4, box.labels, box.scores)
    expected = Prediction(boxes=small, pixels=pixels, class_names=("cell",)).picture()
    assert Prediction(boxes=box, pixels=pixels, class_names=("cell",), size=(240, 400)).picture() == expected
    mask = np.repeat(np.repeat(np.arange(2, dtype=np.uint8)[None], 240, 0), 200, 1)
    answer = Prediction(mask=mask, pixels=pixels, class_names=("ground", "cell"), size=(240, 400))
    seen = Prediction(mask=mask[::4, ::4], pixels=pixels, class_names=("ground", "cell"))
    assert answer.picture() == seen.picture()


def test_a_score_that_is_none_is_refused(run: pl.Run) -> None:
    for score in (1.5, -1, float("nan"), "high"):
        with pytest.raises(pl.PellucidError, match="score"):
            run.model.predict(np.asarray(small().test.inputs)[0], score=score)  # type: ignore[arg-type]


def test_a_score_is_refused_where_nothing_has_one(run: pl.Run) -> None:
    """A model of one class a picture says how likely that is, and has no box to be sure of."""
    with pytest.raises(pl.PellucidError, match=r"score: expected a detector, got the task classify"):
        run.model.predict(np.asarray(small().test.inputs)[0], score=0.5)
