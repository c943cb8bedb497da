"""Settings of every test process."""

import os

# Several test processes share the cores; OpenBLAS's own threads would wait for each other. Read when NumPy loads it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
