"""Several ranks train the very network that one process trains: real mpiexec, 1 to 4 ranks."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from distributed.mpi_runs import mpiexec
from pellucid.ops.arrays import Array
from pellucid.weights import read_arrays

PROGRAM = str(Path(__file__).parent / "mpi_program.py")
NEVER = 1_000_000
SAME = 1e-12  # of numbers about 1, in float64


@dataclass
class End:
    arrays: dict[str, Array]
    notes: dict[str, str]
    run: subprocess.CompletedProcess[str]

    @property
    def history(self) -> list[dict[str, dict[str, float]]]:
        lines = json.loads(self.notes["history"])
        return [{part: line[part] for part in ("train", "validation", "test")} for line in lines]


def train(folder: Path, ranks: int, stop: int = NEVER, *more: str) -> End:
    folder.mkdir(exist_ok=True)
    done = mpiexec(ranks, PROGRAM, str(folder), str(stop), *more)
    assert done.returncode == 0, done.stderr
    return End(*read_arrays(folder / "end.safetensors"), done)


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[int, End]:
    """How training ends with 1, 2, 3 and 4 ranks."""
    return {ranks: train(tmp_path_factory.mktemp("run"), ranks) for ranks in (1, 2, 3, 4)}


def test_any_number_of_ranks_trains_the_same_network(ends: dict[int, End]) -> None:
    """Weights, statistics, average, losses, measures; with dropout, augmentation, and a last batch of one image."""
    one = ends[1]
    for several in (ends[2], ends[3], ends[4]):
        assert one.notes["finished"] == several.notes["finished"] == "True"
        for name, array in one.arrays.items():
            np.testing.assert_allclose(several.arrays[name], array, rtol=0, atol=SAME)
        for mine, theirs in zip(several.history, one.history, strict=True):
            for part, measures in theirs.items():
                assert mine[part] == pytest.approx(measures, rel=1e-10), part


def test_only_rank_0_is_heard(ends: dict[int, End]) -> None:
    for end in ends.values():
        lines = [line for line in end.run.stdout.splitlines() if line.startswith("epoch")]
        assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
        assert end.run.stderr == ""


def test_stopped_by_one_rank_it_goes_on_with_any_number(tmp_path: Path, ends: dict[int, End]) -> None:
    """Bit for bit with as many ranks as before; with another number, equal up to rounding."""
    broken = train(tmp_path / "run", 2, 9)
    assert (broken.notes["finished"], broken.notes["step"]) == ("False", "10")
    checkpoint = (tmp_path / "run" / "checkpoint.safetensors").read_bytes()
    same = train(tmp_path / "run", 2, NEVER, "resume")
    for name, array in ends[2].arrays.items():
        np.testing.assert_array_equal(same.arrays[name], array)
    assert same.history == ends[2].history
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes(checkpoint)
    other = train(tmp_path / "run", 3, NEVER, "resume")
    for name, array in ends[1].arrays.items():
        np.testing.assert_allclose(other.arrays[name], array, rtol=0, atol=SAME)
