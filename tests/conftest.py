"""Settings of every test process."""

import os

import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # how long an example takes says more of the machine than of us
settings.load_profile("patient")

# Several test processes share the cores; OpenBLAS's own threads would wait for each other. Read when NumPy loads it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# GPU kernels run in Numba's simulator unless PELLUCID_TEST_CARD is set. Read when Numba is loaded.
if "PELLUCID_TEST_CARD" not in os.environ:
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")


@pytest.fixture(scope="session", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Run in an empty folder: a run moves runs/last, which may be somebody's."""
    os.chdir(tmp_path_factory.mktemp("here"))
