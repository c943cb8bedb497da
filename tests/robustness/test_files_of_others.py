"""Nothing that somebody else made is written over, and a start that is refused leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.export import export_c
from pellucid.network import Network
from pellucid.plan import IntegerNetwork
from pellucid.precision import quantize
from pellucid.tasks.mask_pictures import check_targets, mask_png
from pellucid.zoo import create
from small_runs import create_run_folder


@pytest.fixture(autouse=True)
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with ops.use_backend("numpy"):
        yield


def integers() -> IntegerNetwork:
    network = Network(create("tiny-digits", 10), (1, 28, 28))
    return quantize(network, np.zeros((1, 1, 28, 28), np.float32), 8)


@pytest.mark.parametrize("name", ["Makefile", "demo.c", "network.c", "network.h"])
def test_export_replaces_its_own_files_and_nobody_elses(tmp_path: Path, name: str) -> None:
    network, names = integers(), [str(i) for i in range(10)]
    folder = tmp_path / "c"
    export_c(network, folder, names)
    export_c(network, folder, names)
    own = "all:\n\techo mine\n"
    (folder / name).write_text(own)
    others = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    with pytest.raises(PellucidError, match=f"{name}: there is something that export didn't make"):
        export_c(network, folder, names)
    assert (folder / name).read_text() == own
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == others


def test_predict_replaces_its_own_pictures_and_nobody_elses(tmp_path: Path) -> None:
    image, out = tmp_path / "a.png", tmp_path / "out"
    Image.new("L", (8, 8)).save(image)
    out.mkdir()
    check_targets([image], out, ["-mask.png"])
    (out / "a-mask.png").write_bytes(mask_png(np.zeros((8, 8), np.uint8), 2))
    check_targets([image], out, ["-mask.png"])
    Image.new("L", (8, 8)).save(out / "a-mask.png")
    with pytest.raises(PellucidError, match=r"a-mask\.png: there is something that predict didn't make"):
        check_targets([image], out, ["-mask.png"])


def test_predict_replaces_no_image(tmp_path: Path) -> None:
    for name in ("a.png", "a-mask.png"):
        (tmp_path / name).write_bytes(mask_png(np.zeros((8, 8), np.uint8), 2))
    with pytest.raises(PellucidError, match="would replace an image"):
        check_targets([tmp_path / "a.png", tmp_path / "a-mask.png"], Path(), ["-mask.png"])


@pytest.mark.parametrize("out", [None, Path("some/where"), Path("runs/mine")])
def test_a_refused_start_leaves_no_folder(tmp_path: Path, out: Path | None) -> None:
    (tmp_path / "runs/last").mkdir(parents=True)  # somebody's own
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PellucidError, match="runs/last: expected a symbolic link"):
        create_run_folder("x", out)
    assert sorted(tmp_path.rglob("*")) == before
