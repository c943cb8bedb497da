"""The command line: one module a command, each imported only when its command runs."""

from pellucid.cli.app import main

__all__ = ["main"]
