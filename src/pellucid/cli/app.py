"""`pellucid`: finds the command, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from pellucid import __version__
from pellucid.errors import PellucidError

COMMANDS = {
    "train": "Train a network by a recipe; writes a run folder.",
    "evaluate": "Measure a trained network on the whole test set.",
    "predict": "Say what is on images.",
    "check": "Compare gradients with numerical derivatives.",
    "summary": "List layers, shapes, parameters and operations.",
    "recipes": "List the recipes there are, or print one.",
    "import-book": "Make a run folder from deep_convnet_params.pkl.",
}
"""Every command with the line that `pellucid --help` says about it; its module has the same name."""

EXAMPLE = """Example:

    pellucid train --epochs 1 && pellucid evaluate runs/last && pellucid predict some/*.png"""

USER_ERROR, INTERRUPTED = 2, 130

_USERS_PROBLEM = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.ENAMETOOLONG,
}


def create_app() -> App:
    """The command tree; no command's module is imported yet."""
    app = App(
        name="pellucid",
        help="Convolutional networks in which every step can be read, checked and seen.",
        help_epilogue=EXAMPLE,
        help_format="plaintext",
        version=__version__,
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for order, (name, help_line) in enumerate(COMMANDS.items()):
        function = name.replace("-", "_")
        app.command(f"pellucid.cli.{function}:{function}", name=name, help=help_line, sort_key=order)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (by default this process's). Returns the exit code.

    0: done. 1: the command says no, as a failed gradient check does. 2: a mistake that the user can put right,
    told in one line. 130: interrupted. Anything else that goes wrong is our mistake and keeps its traceback.
    """
    try:
        code = create_app()(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except PellucidError as error:
        return _complain(str(error))
    except CycloptsError as error:
        return _complain(_usage_message(error))
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()
        return 0
    except OSError as error:
        if error.errno not in _USERS_PROBLEM:
            raise
        _forget_output()
        return _complain(f"{error.filename or 'output'}: {error.strerror}")


def _complain(message: str) -> int:
    """One line on stderr, whatever the message holds."""
    print("pellucid:", " ".join(message.split()), file=sys.stderr)
    return USER_ERROR


def _usage_message(error: CycloptsError) -> str:
    command = " ".join(["pellucid", *(error.command_chain or ())])
    return f"{str(error).rstrip('. ')} (see {command} --help)"


def _forget_output() -> None:
    """Nobody reads the output, or it cannot be written: let the interpreter not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
