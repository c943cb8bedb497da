"""A command on several processes: they join, and if one fails, none is left waiting."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from pellucid.cli.app import INTERRUPTED, USER_ERROR, is_users_problem
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.training import Communicator

FAILED = 1

GRACE = 0.5  # seconds in which rank 0 may say what this rank was about to say


def on_every_rank(work: Callable[[Communicator], int]) -> int:
    """Do a command's work on the processes that this one was started with; its exit code.

    An error that all have agreed on is raised on each. Any other is said by the rank that met it, and ends all.
    """
    from pellucid.training import AgreedError
    from pellucid.training.distributed import MPI, join_ranks

    communicator = join_ranks()
    if not isinstance(communicator, MPI):
        return work(communicator)
    try:
        return work(communicator)
    except AgreedError:
        raise
    except BaseException as error:
        if communicator.rank != 0:
            time.sleep(GRACE)
        communicator.abort(_explain(error, f"rank {communicator.rank} of {communicator.ranks}"))
        raise


def _explain(error: BaseException, who: str) -> int:
    """Say what went wrong: one line, below a traceback where it is our mistake. The exit code."""
    from pellucid.training.distributed import LostRankError

    message, code = f"{type(error).__name__}: {error}", FAILED
    if isinstance(error, PellucidError):
        message, code = str(error), USER_ERROR
    elif isinstance(error, OSError) and is_users_problem(error):
        message, code = f"{error.filename or 'output'}: {error.strerror}", USER_ERROR
    elif isinstance(error, KeyboardInterrupt):
        message, code = "interrupted", INTERRUPTED
    elif isinstance(error, LostRankError):
        message = str(error)
    else:
        traceback.print_exception(error, file=sys.__stderr__)
    print(f"pellucid: {who}:", " ".join(message.split()), file=sys.__stderr__, flush=True)
    return code
