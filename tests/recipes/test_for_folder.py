"""A folder of pictures says what is to be trained on it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import cli
from pellucid.data import Data, Dataset, load_data
from pellucid.data.survey import survey
from pellucid.errors import PellucidError
from pellucid.recipes import Recipe, build_trainer, load_recipe, open_model
from pellucid.recipes.for_folder import folder_recipe, is_folder
from pellucid.recipes.settled import balanced_weights, mean_and_std, settled
from photographs import boxed_folder, class_folder, masked_folder, shots
from small_runs import one_thread_of_numpy


@pytest.fixture(autouse=True)
def plain() -> Iterator[None]:
    with one_thread_of_numpy():
        yield


def write(path: Path, size: tuple[int, int] = (40, 52), shade: int = 90, colour: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(shade).integers(0, shade + 1, (*size, 3)).astype(np.uint8)
    Image.fromarray(pixels if colour else pixels[..., 0]).save(path)


def folder_of(root: Path, names: tuple[str, ...] = ("ant", "bee"), count: int = 10, colour: bool = True) -> Path:
    for label, name in enumerate(names):
        for index in range(count):
            write(root / name / f"{index}.PNG", shade=100 * label + 50, colour=colour)
    return root


def chosen(folder: Path) -> Recipe:
    return folder_recipe(folder, {})[0]


def test_what_is_found_is_said(tmp_path: Path) -> None:
    folder_of(tmp_path / "Training")
    folder_of(tmp_path / "Valid", count=2)
    write(tmp_path / "Training" / "bee" / "large.jpg", (200, 300))
    lines = survey(tmp_path).lines()
    assert "25 pictures (21 train, 4 test)" in lines[0]
    assert "in colour, 40x52 to 200x300, the shorter side 40 in the middle" in lines[0]
    assert lines[1] == "2 classes: ant 10, bee 11"


def test_labels_beside_folders_of_classes_are_said_not_to_be_read(tmp_path: Path) -> None:
    folder_of(tmp_path)
    (tmp_path / "about.csv").write_text("who,when\nme,today\n")
    assert len(survey(tmp_path).lines()) == 2
    (tmp_path / "about.csv").write_text("path,labels\nant/1.PNG,red|round\nbee/2.PNG,\n")
    line = survey(tmp_path).lines()[-1]
    assert line.startswith("the folders are the classes, ") and line.endswith("about.csv")
    assert survey(tmp_path / "about.csv").kind == "labels"


def test_classes_of_few_pictures_are_named(tmp_path: Path) -> None:
    folder_of(tmp_path)
    write(tmp_path / "cat" / "0.png")
    assert survey(tmp_path).lines()[-1].endswith("too few to learn or to test: cat")


@pytest.mark.parametrize(
    ("layout", "kind"), [(class_folder, "classes"), (masked_folder, "masks"), (boxed_folder, "boxes")]
)
def test_every_layout_is_known(layout: Callable[..., Path], kind: str, tmp_path: Path) -> None:
    found = survey(layout(tmp_path, {"train": shots(0), "val": shots(1)}))
    assert (found.kind, found.images, found.colour) == (kind, 16, True)


def test_folders_of_nothing_and_of_both_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PellucidError, match=r"expected a folder of pictures a class.*got nothing"):
        survey(tmp_path)
    masked_folder(tmp_path, {"train": shots(0)})
    (tmp_path / "ImageSets" / "Main").mkdir()
    (tmp_path / "Annotations").mkdir()
    with pytest.raises(PellucidError, match="both masks and boxes"):
        survey(tmp_path)


def test_every_bad_file_is_named_at_once(tmp_path: Path) -> None:
    folder_of(tmp_path)
    for name in ("1", "2"):
        (tmp_path / "ant" / f"bad{name}.jpg").write_text("no picture")
    for read in (survey, load_data):
        with pytest.raises(PellucidError, match=r"bad1\.jpg: not an image.*bad2\.jpg: not an image"):
            read(tmp_path)


def test_sizes_epochs_and_mirroring_follow_the_pictures(tmp_path: Path) -> None:
    many = chosen(folder_of(tmp_path / "many"))
    assert (many.name, many.data.size, many.crop.flip) == ("pictures", (40, 52), 0.5)
    assert (many.training.epochs, many.training.batch_size) == (100, 16)  # of 16 pictures
    for number, names in enumerate((("0", "1"), ("a", "b"), ("hand_left", "hand_right"))):
        assert chosen(folder_of(tmp_path / str(number), names)).crop.flip == 0
    assert chosen(folder_of(tmp_path / "grey", colour=False)).crop.flip == 0


def test_scenes_are_seen_in_their_shape_and_no_larger_than_the_recipe_s(tmp_path: Path) -> None:
    def of(kind: str, size: tuple[int, int], number: int) -> Recipe:
        folder = tmp_path / str(number)
        for name in "abc":
            write(folder / "images" / f"{name}.jpg", size)
            if kind == "masks":
                write(folder / "masks" / f"{name}.png", size, colour=False)
        if kind == "boxes":
            (folder / "labels").mkdir()
            for name in "abc":
                (folder / "labels" / f"{name}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
            (folder / "classes.txt").write_text("cell\n")
        return chosen(folder)

    for number, (kind, size, canvas, window) in enumerate(
        [
            ("masks", (360, 480), (360, 480), (256, 320)),
            ("masks", (100, 70), (100, 70), (96, 64)),
            ("masks", (20, 70), (32, 70), (32, 64)),  # smaller ones are none for the network
            ("masks", (1500, 2000), (352, 480), (256, 320)),
            ("boxes", (480, 640), (320, 416), (256, 320)),
            ("boxes", (640, 480), (416, 320), (256, 320)),
            ("boxes", (100, 70), (128, 96), (128, 96)),
        ]
    ):
        recipe = of(kind, size, number)
        assert (recipe.data.size, recipe.crop.size) == (canvas, window)
    for number, size in enumerate([(20, 30), (20, 30), (90, 80), (300, 400), (600, 420)]):  # the smallest most often
        write(tmp_path / "1" / "images" / f"{number}.jpg", size)
        write(tmp_path / "1" / "masks" / f"{number}.png", size, colour=False)
    assert chosen(tmp_path / "1").data.size == (512, 352)  # of the recipe's pixels, in the usual shape
    other, _ = folder_recipe(tmp_path / "3", {"data.size": "none"})
    assert (other.data.size, other.crop.size) == (None, (256, 320))


def test_few_pictures_are_not_measured_longer_than_learnt(tmp_path: Path) -> None:
    folder_of(tmp_path / "train")
    folder_of(tmp_path / "test", count=120)
    assert chosen(tmp_path).training.evaluate_samples == 100
    assert chosen(folder_of(tmp_path / "other")).training.evaluate_samples == 0


def test_what_somebody_chose_stays(tmp_path: Path) -> None:
    recipe, lines = folder_recipe(folder_of(tmp_path), {"training.epochs": 3, "data.size": [24, 24]})
    assert (recipe.training.epochs, recipe.data.size, recipe.data.source) == (3, (24, 24), str(tmp_path))
    assert lines[-1].startswith("recipe pictures, pictures at 24x24, 3 epochs, mirrored at random, a fifth of each")


def test_a_folder_is_written_with_a_separator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "transfer")
    folder_of(tmp_path / "mine")
    assert is_folder("mine/", None)
    assert not is_folder("deep-convnet", None)
    assert not is_folder("transfer", "mine")
    with pytest.raises(PellucidError, match=r"transfer: a recipe and a folder \(.*transfer\): write transfer/"):
        is_folder("transfer", None)
    with pytest.raises(PellucidError, match="which is written mine/"):
        is_folder("mine", None)
    with pytest.raises(PellucidError, match="yours/: no such folder"):
        is_folder("yours/", None)
    with pytest.raises(PellucidError, match="--data other can't be given with it"):
        is_folder("mine/", "other")


def test_a_folder_becomes_a_model_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "photos")
    few = (
        "--epochs",
        "6",
        "--backend",
        "numpy",
        "--threads",
        "1",
        "--set",
        "data.size=20",
        "--set",
        "network.widths=[8, 8]",
    )
    assert cli.main(["train", "photos/", "--out", "run", *few]) == 0
    said = capsys.readouterr().out
    assert said.startswith("photos: 20 pictures, in colour, 40x52\n2 classes: ant 10, bee 10\nrecipe pictures")
    model = open_model(Path("run"))
    train = load_data("photos", 20).train
    assert (model.recipe.data.mean, model.recipe.data.std) == mean_and_std(train)
    assert cli.main(["predict", "run", "photos/bee/3.PNG"]) == 0
    assert "bee" in capsys.readouterr().out


def test_mean_and_deviation_are_those_of_the_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 8, 9)).astype(np.uint8)
    parts = np.array([[8, 9], [4, 5], [8, 9], [2, 9], [8, 1], [8, 9]])
    dataset = Dataset(images, np.zeros(6, np.int64), ("a", "b"), "parts", parts=parts)
    shown = [image[:, :h, :w].reshape(3, -1) / 255 for image, (h, w) in zip(images, parts, strict=True)]
    values = np.concatenate(shown, axis=1)
    mean, std = mean_and_std(dataset)
    np.testing.assert_allclose(mean, values.mean(1), atol=5e-5)
    np.testing.assert_allclose(std, values.std(1), atol=5e-5)


def test_balanced_weights_let_every_class_count_alike() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [3])
    dataset = Dataset(np.zeros((10, 1, 4, 4), np.uint8), labels, tuple("abcd"), "uneven")
    weights = np.array(balanced_weights(dataset))
    counts = np.array([6, 3, 0, 1])
    assert weights[2] == 0
    np.testing.assert_allclose((weights * counts)[counts > 0], 10 / 4, rtol=1e-6)
    data = Data(dataset, None, dataset)
    network = {"network.name": "plain-convnet", "network.widths": [2], "network.kernels": [3]}
    recipe = load_recipe("pictures", {**network, "task.class_weights": "balanced", "data.size": [4, 4]})
    assert settled(recipe, data).task["class_weights"] == weights.tolist()
    assert settled(settled(recipe, data), data) == settled(recipe, data)
    assert build_trainer(recipe, data).task.count(np.zeros((2, 4)), np.array([0, 1]))[0] == weights[:2].sum()
    with pytest.raises(PellucidError, match="class_weights = 'alike'"):
        build_trainer(load_recipe("pictures", {**network, "task.class_weights": "alike"}), data)


def test_training_ends_when_patience_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "photos")
    still = ("--set", "optimizer.rate=1e-9", "--set", "training.patience=2", "--set", "data.size=16", "--quiet")
    small = ("--set", "network.widths=[2, 2]", "--backend", "numpy", "--threads", "1", "--epochs", "30")
    assert cli.main(["train", "photos/", "--out", "run", *still, *small]) == 0
    assert len(Path("run/history.jsonl").read_text().splitlines()) < 30
    assert load_recipe("run").training.patience == 2


def test_images_beside_masks_are_known(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "images" / f"{number}.jpg")
        write(tmp_path / "masks" / f"{number}.png", colour=False)
    found = survey(tmp_path)
    assert (found.kind, found.images, found.colour) == ("masks", 3, True)
