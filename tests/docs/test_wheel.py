"""What is built of the sources: a wheel and an sdist with all that is needed, and nothing else, of a known size."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytest.importorskip("build")

ROOT = Path(__file__).parents[2]
TAKEN = ("src", "README.md", "LICENSE", "pyproject.toml")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built of a copy so that the source stays clean; the sdist first, the wheel of it."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in TAKEN:
        one = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        _ = shutil.copytree(one, copy / name, ignore=ignored) if one.is_dir() else shutil.copy(one, copy / name)
    command = [sys.executable, "-m", "build", "--outdir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and re.search("ConnectionError|NewConnectionError|No matching distribution", done.stdout):
        pytest.skip("the tools that build can't be fetched here")
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_wheel_holds_every_module_and_every_file_that_modules_read(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith("pellucid-")}
    source = ROOT / "src"
    wanted = {
        str(path.relative_to(source))
        for path in (source / "pellucid").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".nbi", ".nbc", ".pyc"}
    }
    assert names == wanted
    assert wheel.stat().st_size < 13e6, "MNIST is 11 MB of it"
    files = zipfile.ZipFile(wheel).infolist()
    assert sum(one.compress_size for one in files if "/mnist/" not in one.filename) < 1.5e6


def test_the_metadata_are_sound(built: Path) -> None:
    from packaging.metadata import Metadata

    from pellucid import __version__

    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    (place,) = [name for name in archive.namelist() if name.endswith("dist-info/METADATA")]
    text = archive.read(place).decode()
    found = Metadata.from_email(text, validate=True)
    assert (found.name, str(found.version)) == ("pellucid", __version__)
    assert found.description_content_type == "text/markdown"
    assert set(found.provides_extra or ()) >= {"onnx", "sklearn", "mpi", "cuda", "pretrained", "tensorboard", "docs"}
    assert "LICENSE" in Parser().parsestr(text).get_all("License-File", [])


def test_the_sdist_holds_the_sources_and_the_readme(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "src/pellucid/__init__.py", "src/pellucid/py.typed"} <= names
    assert sdist.stat().st_size < 13e6


@pytest.mark.slow
def test_the_installed_wheel_answers_from_outside_the_sources(built: Path, tmp_path: Path) -> None:
    """In an environment of its own, which sees this one's dependencies but not this one's pellucid."""
    (wheel,) = built.glob("*.whl")
    place = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    code = (
        "import pathlib, pellucid as pl; print(pathlib.Path(pl.__file__).parent.parent)\n"
        "data = pl.data.mnist(); net = pl.Network(pl.zoo.lenet5(10), data.shape); print(len(data.test))\n"
        "from pellucid.recipes import list_recipes, load_recipe; print(load_recipe('deep-convnet').name)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(place), "10000", "deep-convnet"]
    (script,) = [path for path in (place / "bin").iterdir() if path.name == "pellucid"]
    said = subprocess.run(
        [sys.executable, str(script), "--help"],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pellucid COMMAND" in said.stdout
