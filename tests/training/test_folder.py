"""Run folders, and the link to the last of them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pellucid.errors import PellucidError
from pellucid.training.folder import open_run_folder, point_last
from small_runs import create_run_folder


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_runs_of_one_second_have_their_own_folders_and_last_is_the_last() -> None:
    folders = [create_run_folder("digits").path for _ in range(4)]
    assert len(set(folders)) == 4
    assert all("-digits" in folder.name for folder in folders)
    assert Path("runs/last").is_symlink()
    assert Path("runs/last").resolve() == folders[-1].resolve()
    assert sorted(path.name for path in Path("runs").iterdir()) == sorted([*(f.name for f in folders), "last"])


def test_the_link_is_relative_so_that_runs_may_move() -> None:
    folder = create_run_folder("digits").path
    Path("runs").rename("elsewhere")
    assert Path("elsewhere/last").resolve() == (Path("elsewhere") / folder.name).resolve()


def test_an_open_run_stays_the_same_when_a_new_one_begins() -> None:
    first = create_run_folder("digits")
    first.recipe.write_text("")
    opened = open_run_folder(Path("runs/last"))
    create_run_folder("digits")
    assert opened.path.resolve() == first.path.resolve()
    assert opened.checkpoint == opened.path / "checkpoint.safetensors"


def test_a_folder_of_ones_own_may_be_empty_but_not_used() -> None:
    Path("mine").mkdir()
    assert create_run_folder("digits", Path("mine")).path == Path("mine")
    Path("mine/note").write_text("x")
    with pytest.raises(PellucidError, match="mine exists: expected a new or empty folder"):
        create_run_folder("digits", Path("mine"))
    with pytest.raises(PellucidError, match="mine/note exists"):
        create_run_folder("digits", Path("mine/note"))


def test_what_is_in_the_way_is_named() -> None:
    Path("runs").mkdir()
    Path("runs/last").mkdir()
    with pytest.raises(PellucidError, match="runs/last: expected a symbolic link to the last run"):
        point_last(Path())
    Path("runs/last").rmdir()
    Path("runs").rmdir()
    Path("runs").write_text("a file")
    with pytest.raises(PellucidError, match="cannot make the run folder runs/"):
        create_run_folder("digits")
    with pytest.raises(PellucidError, match="no run nowhere: expected a run folder"):
        open_run_folder(Path("nowhere"))


def test_runs_of_one_moment_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        made = [run.path for run in pool.map(lambda _: create_run_folder("same"), range(16))]
    assert len(set(made)) == 16
