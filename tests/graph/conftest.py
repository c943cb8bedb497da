"""What a graph does is the same on every backend; the definition needs no compiling."""

from collections.abc import Iterator

import pytest

from pellucid import ops


@pytest.fixture(autouse=True, scope="package")
def _definition() -> Iterator[None]:
    with ops.use_backend("numpy"):
        yield
