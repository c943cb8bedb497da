"""Random numbers that depend on a seed and on what they are for, and on nothing else."""

import numpy as np

from pellucid.errors import InputError


def generator(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """The generator that belongs to a purpose ("order", "augment") and its numbers (an epoch, say).

    Whoever asks with the same arguments gets the same numbers, in this run or the next, whatever else was
    drawn meanwhile: the streams of different purposes never touch. Raises InputError for a seed below 0.
    """
    if seed < 0:
        raise InputError(f"seed: expected a whole number of at least 0, got {seed}")
    name = int.from_bytes(purpose.encode(), "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, name, *numbers))))


def uniform_rows(seed: int, purpose: str, epoch: int, first: int, count: int, columns: int) -> np.ndarray:
    """Rows first .. first + count of an endless table of uniform numbers in [0, 1): (count, columns).

    The table belongs to (seed, purpose, epoch). A row is found by jumping there (O'Neill 2014, PCG, section
    4.3.1), one step a number, so that row 50,000 costs no more than row 0.
    """
    stream = generator(seed, purpose, epoch)
    bits = stream.bit_generator
    assert isinstance(bits, np.random.PCG64)
    bits.advance(first * columns)
    return stream.random((count, columns))
