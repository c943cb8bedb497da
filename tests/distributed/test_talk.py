"""Sums, gathering and agreement between ranks."""

from pathlib import Path

import numpy as np
import pytest

from distributed.mpi_runs import mpiexec
from pellucid.errors import PellucidError
from pellucid.training import AgreedError, Alone
from pellucid.training.agreement import agree, from_first, together


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_understand_each_other(ranks: int) -> None:
    done = mpiexec(ranks, str(Path(__file__).parent / "mpi_talk.py"))
    assert (done.stdout, done.returncode) == (f"{ranks} ranks understand each other\n", 0), done.stderr


def test_a_process_alone_agrees_with_itself() -> None:
    talk = Alone()
    assert from_first(talk, lambda: b"content") == b"content"
    assert together(talk, lambda: 3) == 3
    agree(talk, {"colour": "red"})
    np.testing.assert_array_equal(talk.all_gather({"a": np.arange(3)})[0]["a"], np.arange(3))

    def fail() -> None:
        raise PellucidError("no disk")

    with pytest.raises(AgreedError, match=r"^no disk$"):
        together(talk, fail)
