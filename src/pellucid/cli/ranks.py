"""A command on several processes: they join, and a mistake that one of them meets ends all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pellucid.cli.app import INTERRUPTED, USER_ERROR, is_users_problem
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.training import Communicator


def on_every_rank(work: Callable[[Communicator], int]) -> int:
    """Do a command's work on the processes that this one was started with; its exit code.

    A mistake that all have agreed on is raised on each. Any other is said by the rank that met it, and ends all.
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
    except PellucidError as error:
        communicator.fail(str(error), USER_ERROR)
    except KeyboardInterrupt:
        communicator.fail("interrupted", INTERRUPTED)
    except OSError as error:
        if not is_users_problem(error):
            raise
        communicator.fail(f"{error.filename or 'output'}: {error.strerror}", USER_ERROR)
    return USER_ERROR
