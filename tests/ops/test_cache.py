"""The size of a core's cache is read where the system tells it."""

from pathlib import Path

import pytest

from pellucid.ops.numba_ops.compile.cache import USUAL, second_level_cache


@pytest.mark.parametrize(
    ("caches", "size"),
    [
        ((("1", "48K"), ("1", "32K"), ("2", "1024K"), ("3", "32M")), 1 << 20),
        ((("2", "2M"),), 2 << 20),
        ((("1", "32K"),), USUAL),
        ((("2", "?"),), USUAL),
        ((("2", ""),), USUAL),
        ((), USUAL),
    ],
)
def test_sizes(tmp_path: Path, caches: tuple[tuple[str, str], ...], size: int) -> None:
    for number, (level, told) in enumerate(caches):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        (folder / "level").write_text(level + "\n")
        (folder / "size").write_text(told + "\n")
    assert second_level_cache(tmp_path) == size
