"""A short part of the campaign: some dozens of changed files for each reader, always the same ones."""

from pathlib import Path

import pytest
from robustness.attempts import REFUSED, RIGHT, Files
from robustness.readers import READERS, Reader

INPUTS = 25


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_every_reader_answers_or_says_why_not_in_one_line(tmp_path: Path, reader: Reader) -> None:
    files = Files(reader, tmp_path / "files")
    reader.read(files.folder, files.victims[0])  # valid
    kinds = set()
    for seed in range(INPUTS):
        outcome = files.attempt(seed)
        assert outcome.kind in {RIGHT, REFUSED}, f"seed {seed}: {outcome.said}"
        kinds.add(outcome.kind)
    assert REFUSED in kinds


def test_a_seed_gives_the_same_file_again(tmp_path: Path) -> None:
    some = [Files(READERS[0], tmp_path / name) for name in ("a", "b")]
    for seed in range(50):
        assert some[0].changed(seed)[1] == some[1].changed(seed)[1]
