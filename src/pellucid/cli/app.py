"""`pellucid`: finds the command, and turns what goes wrong into one line and an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence

from pellucid import __version__
from pellucid.errors import PellucidError

TYPE_CHECKING = False  # as typing has it, whose import takes longer than all of the help

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError


class Command:
    """What help says of a command: one line, and examples."""

    def __init__(self, line: str, *examples: str) -> None:
        self.line, self.examples = line, examples


COMMANDS = {
    "train": Command(
        "Train a network by a recipe; writes a run folder.",
        "pellucid train",
        "pellucid train deep-convnet --epochs 2 --seed 1 --out runs/second",
        "pellucid train photos/",
        "pellucid train --set optimizer.rate=0.002 --set training.batch_size=64",
        "pellucid train --resume runs/last",
        "pellucid train --restarts 3 --launcher 'mpiexec -n 4'",
    ),
    "look": Command(
        "Show pictures as a network will see them, count them, and name doubtful files.",
        "pellucid look photos/",
        "pellucid look transfer --data photos",
    ),
    "find-rate": Command(
        "Try rising learning rates, and suggest one.",
        "pellucid find-rate photos/",
    ),
    "evaluate": Command(
        "Measure a trained network on the whole test set.",
        "pellucid evaluate runs/last",
    ),
    "predict": Command(
        "Say what is on images.",
        "pellucid predict digit.png",
        "pellucid predict runs/last some/*.png --json",
        "pellucid predict runs/last photos/ --format csv --out answers.csv",
        "pellucid predict efficientnet-lite0 photo.jpg",
    ),
    "explain": Command(
        "Show where on images a network finds what speaks for a class.",
        "pellucid explain digit.png",
        "pellucid explain runs/last some/*.png --class 7 --method grad-cam",
        "pellucid explain efficientnet-lite0 photo.jpg --class teapot",
    ),
    "check": Command(
        "Compare gradients with numerical derivatives.",
        "pellucid check deep-convnet",
    ),
    "summary": Command(
        "List layers, output shapes, parameters and operations.",
        "pellucid summary deep-convnet",
        "pellucid summary resnet18 --plan --picture memory.png",
        "pellucid summary runs/last --json",
    ),
    "profile": Command(
        "Time every layer of a training step.",
        "pellucid profile deep-convnet --batch-size 128",
        "pellucid profile resnet18 --input 3x224x224 --threads 1",
    ),
    "compare-kernels": Command(
        "Compare large filters with stacks of 3x3 ones.",
        "pellucid compare-kernels 5 7 9",
        "pellucid compare-kernels 7 --channels 64",
    ),
    "receptive-field": Command(
        "Draw what a layer's middle unit sees, and what of it counts.",
        "pellucid receptive-field runs/last --layer 7",
    ),
    "features": Command(
        "Show what every layer makes of images.",
        "pellucid features digit.png",
        "pellucid features runs/last some/*.png --channels 0 3 17",
    ),
    "depth-experiment": Command(
        "Train shallow wide to deep narrow networks at an equal budget, and compare.",
        "pellucid depth-experiment",
        "pellucid depth-experiment --budget operations --data-fractions 0.01 0.1",
    ),
    "precision": Command(
        "Compare number formats, from float64 to integers, on the whole test set.",
        "pellucid precision runs/last",
    ),
    "shrink": Command(
        "Convert a trained network to integers of 8, 4 or 2 bits.",
        "pellucid shrink runs/last --bits 8",
        "pellucid shrink runs/last --bits 4 --epochs 2",
    ),
    "export": Command(
        "Write a network as C for a microcontroller, or as an ONNX file.",
        "pellucid export runs/last --to c --out c && make -C c && c/demo digit.pgm",
        "pellucid export runs/last --to onnx --out digits.onnx --pixels",
    ),
    "fit-chip": Command(
        "Say whether a network fits a microcontroller, and how long it takes there.",
        "pellucid fit-chip runs/last --chip nucleo-f446re",
        "pellucid fit-chip runs/last --chip 20k,64k,cortex-m3@72 --bits 4",
    ),
    "page": Command(
        "Write a web page that shows a trained network at work, offline.",
        "pellucid page runs/last -o digits.html",
    ),
    "sample": Command(
        "Write pictures to try other commands on.",
        "pellucid sample",
        "pellucid sample digit scene --count 5 --out some",
    ),
    "recipes": Command(
        "List the recipes there are, or print one.",
        "pellucid recipes",
        "pellucid recipes deep-convnet > mine.toml",
    ),
    "import-book": Command(
        "Make a run folder from the book's deep_convnet_params.pkl.",
        "pellucid import-book deep_convnet_params.pkl --out runs/book",
    ),
    "import-torch": Command(
        "Make a run folder from PyTorch's weights, .pth, .pt or safetensors.",
        "pellucid import-torch resnet18.pth --network resnet18 --name mine",
        "pellucid import-torch my.pth --network resnet18 --name mine --mean .5 .5 .5",
    ),
    "import-onnx": Command(
        "Make a run folder from an ONNX file's network and weights.",
        "pellucid import-onnx model.onnx --name mine",
        "pellucid import-onnx model.onnx --name mine --classes names.txt",
    ),
}
"""Every command; the module and the function that do it have the same name."""

EXAMPLE = "pellucid train --epochs 1 && pellucid evaluate && pellucid predict digit.png"

TRUST = "--trust"
TRUST_HELP = f"{TRUST} runs the code that a run from elsewhere names as its network."

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


HELP = "Convolutional networks in which every step can be read, checked and seen."


def overview() -> str:
    """What `pellucid --help` says; it needs no parser, whose import takes longer than everything else."""
    width = max(map(len, COMMANDS))
    lines = [f"Usage: pellucid COMMAND\n\n{HELP}\n\nCommands:"]
    lines += [f"  {name:{width}}  {command.line}" for name, command in COMMANDS.items()]
    lines += [f"  {'--help, -h':{width}}  Display this message, or after a command what it takes, and exit."]
    lines += [f"  {'--version':{width}}  Display the version and exit.", "", _epilogue(EXAMPLE)]
    return "\n".join(lines)


def create_app() -> App:
    """The command tree; no command's module is imported yet."""
    from cyclopts import App

    app = App(
        name="pellucid",
        help=HELP,
        help_epilogue=_epilogue(EXAMPLE),
        help_formatter="default" if sys.stdout.isatty() else "plain",
        help_format="plaintext",
        version=__version__,
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for order, (name, command) in enumerate(COMMANDS.items()):
        function = name.replace("-", "_")
        app.command(
            f"pellucid.cli.{function}:{function}",
            name=name,
            help=command.line,
            help_epilogue=_epilogue(*command.examples),
            sort_key=order,
        )
    return app


def _epilogue(*examples: str) -> str:
    lines = ["Examples:" if len(examples) > 1 else "Example:", *(f"    {example}" for example in examples)]
    return "\n".join([*lines, TRUST_HELP])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (by default this process's). Returns the exit code.

    0: done. 1: the command says no, as a failed gradient check does. 2: a mistake that the user can put right,
    told in one line. 130: interrupted. Anything else that goes wrong is our mistake and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names that it can't write are escaped
            stream.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["help"]:  # as people ask: help, help train, help help
        given = [*(name for name in given[1:2] if name not in {"help", "--help", "-h", "--version"}), "--help"]
    try:
        if given in ([], ["--help"], ["-h"], ["--version"]):
            print(__version__ if given == ["--version"] else overview())
            sys.stdout.flush()
            return 0
        code = _run([argument for argument in given if argument != TRUST], trust=TRUST in given)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except PellucidError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # rich turns the one into the other
        _forget_output()
        return 0
    except OSError as error:
        if not is_users_problem(error):
            raise
        _forget_output()
        return _complain(f"{error.filename or 'output'}: {error.strerror}")


def _run(arguments: list[str], *, trust: bool) -> object:
    """The command's own answer. trust: whether code that runs and models' files name may be run."""
    from cyclopts import CycloptsError

    try:
        if not trust:
            return create_app()(arguments)
        from pellucid.recipes.own_network import trusting

        with trusting():
            return create_app()(arguments)
    except CycloptsError as error:
        raise PellucidError(_usage_message(error)) from error


def is_users_problem(error: BaseException) -> bool:
    """Whether a full disk, a missing right or the like is what went wrong."""
    return isinstance(error, OSError) and error.errno in _USERS_PROBLEM


def _complain(message: str) -> int:
    """One line on stderr, whatever the message holds; of several processes started together, the first says it."""
    from pellucid.launcher import speaks

    if speaks():
        print("pellucid:", " ".join(message.split()), file=sys.stderr)
    return USER_ERROR


def _usage_message(error: CycloptsError) -> str:
    """What is wrong with the command line, and where to read how it should be."""
    import difflib

    from cyclopts import UnknownCommandError, UnusedCliTokensError

    surplus = (error.unused_tokens or [""])[0]
    if isinstance(error, UnknownCommandError):
        known = [*COMMANDS, "help", "--help", "--version"]
        near = difflib.get_close_matches(surplus, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        text = f"unknown command {surplus!r}: {hint}expected one of {', '.join([*COMMANDS, 'help'])}"
    elif isinstance(error, UnusedCliTokensError):
        text = f"unexpected argument {surplus!r}"
    else:
        text = str(error).rstrip(". ")
    command = " ".join(["pellucid", *(error.command_chain or ())])
    return f"{text} (see {command} --help)"


def _forget_output() -> None:
    """Nobody reads the output, or it cannot be written: let the interpreter not try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
