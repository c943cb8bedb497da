"""The one exception for a user's mistake."""


class PellucidError(Exception):
    """A mistake that the user can put right: one line that names the thing, what was expected and what came.

    The command line prints it without a traceback and exits with code 2.
    """
