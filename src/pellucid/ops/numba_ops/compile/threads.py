"""Which threads run a kernel, and when none may.

Of Numba's threading layers OpenMP starts a parallel loop in two microseconds, the work queue in forty, so OpenMP
comes first. Each has a rule that ends the process when it is broken: OpenMP cannot be used in a child that was
forked from a process which had already used it, and the work queue not by two Python threads at once. So parallel
kernels run one at a time, and in such a child only their serial twins run.

GNU's OpenMP lets a thread that waits for the others spin for milliseconds before it sleeps. Where another process
wants the core that the others need, a loop of 5 microseconds then takes 12 milliseconds; with a short spin, 60
microseconds, and no more than before where nobody else is.
"""

import os
import threading

import numba
from numba.np.ufunc import parallel as numba_threads

from pellucid.ops.cores import threads

LOCK = threading.Lock()

SPINS = "1000"  # about 15 microseconds

_here = threading.local()  # Numba keeps the number of threads of each Python thread
_forked = False

if "NUMBA_THREADING_LAYER" not in os.environ:
    numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]
if "OMP_WAIT_POLICY" not in os.environ:  # read when the first parallel kernel loads the library
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def prepare() -> bool:
    """Tell Numba how many threads to use; False where a kernel must run without any but the caller's."""
    count = 1 if _forked else min(threads(), numba.config.NUMBA_NUM_THREADS)
    if count > 1 and getattr(_here, "count", None) != count:
        numba.set_num_threads(count)
        _here.count = count
    return count > 1


def _after_fork() -> None:
    global LOCK, _forked
    LOCK = threading.Lock()  # another thread of the parent may have held it
    _forked = bool(numba_threads._is_initialized)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
