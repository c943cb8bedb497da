"""Every sentence that ranks say to each other, checked on each of them; see test_distributed_talk."""

import hashlib

import ml_dtypes
import numpy as np
import pytest

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array
from pellucid.training import AgreedError
from pellucid.training.agreement import agree, from_first, together
from pellucid.training.callbacks import SameWeights
from pellucid.training.distributed import MPI, join_ranks
from small_runs import small_trainer


def check_sums(talk: MPI) -> None:
    """In float32 for 16 bits: 1 + 3 x 2^-9 has no place in bfloat16's 8 bits on the way."""
    for kind in (np.float32, np.float64, np.int64):
        array = np.arange(7).astype(kind) + talk.rank
        assert talk.all_reduce(array) is array
        np.testing.assert_array_equal(array, np.arange(7) * talk.ranks + sum(range(talk.ranks)))
    small = np.array([1.0 if talk.rank == 0 else 3 * 2.0**-9], ml_dtypes.bfloat16)
    wide = 1 + (talk.ranks - 1) * 3 * 2.0**-9
    assert talk.all_reduce(small)[0] == np.array(wide, ml_dtypes.bfloat16)
    assert small.dtype == ml_dtypes.bfloat16
    large = np.array([40_000.0 if talk.rank == 0 else -20_000.0], np.float16)
    assert talk.all_reduce(large)[0] == 40_000 - 20_000 * (talk.ranks - 1)
    strided = np.ones((4, 6))[:, ::2]
    talk.all_reduce(strided)
    np.testing.assert_array_equal(strided, talk.ranks)
    assert talk.all_reduce(np.empty((0, 3))).shape == (0, 3)


def check_same_bits(talk: MPI) -> None:
    """Sums of numbers that no order adds up alike."""
    numbers = np.random.default_rng(talk.rank).standard_normal(100_003).astype(np.float32)
    agree(talk, {"bits": hashlib.sha256(talk.all_reduce(numbers).tobytes()).hexdigest()})


def check_gathering(talk: MPI) -> None:
    mine: dict[str, Array] = {"grid": np.full((talk.rank, 2), talk.rank), "number": np.array(talk.rank, np.float16)}
    for rank, theirs in enumerate(talk.all_gather(mine)):
        assert theirs["grid"].shape == (rank, 2)
        assert theirs["number"] == rank
    for kind in (np.float64, ml_dtypes.bfloat16):
        whole = np.full((3, 4), talk.rank + 1, kind)
        np.testing.assert_array_equal(talk.broadcast(whole[:, ::3]), 1)
        assert whole[0, 1] == talk.rank + 1
    talk.barrier()


def check_agreement(talk: MPI) -> None:
    assert together(talk, lambda: talk.rank) == talk.rank
    assert from_first(talk, lambda: b"rank %d" % talk.rank) == b"rank 0"
    assert from_first(talk, bytes) == b""

    def fail() -> None:
        if talk.rank == 1:
            raise PellucidError("no disk")

    with pytest.raises(AgreedError, match=r"^rank 1: no disk$"):
        together(talk, fail)
    with pytest.raises(AgreedError, match=r"^rank 0 and rank 1 differ in their size: 0 and 1$"):
        agree(talk, {"colour": "red", "size": str(min(talk.rank, 1))})


def check_weights(talk: MPI) -> None:
    trainer = small_trainer(communicator=talk)
    SameWeights().epoch(trainer, {"epoch": 1})
    if talk.rank == talk.ranks - 1:
        trainer.network.vector[17] = np.nextafter(trainer.network.vector[17], np.float32(2))
    with pytest.raises(AgreedError, match=f"rank 0 and rank {talk.ranks - 1} differ in their weights after epoch 4"):
        SameWeights().epoch(trainer, {"epoch": 4})


def main() -> None:
    talk = join_ranks()
    assert isinstance(talk, MPI)
    assert ops.threads() >= 1
    for check in (check_sums, check_same_bits, check_gathering, check_agreement, check_weights):
        check(talk)
    if talk.rank == 0:
        print(f"{talk.ranks} ranks understand each other")


if __name__ == "__main__":
    main()
