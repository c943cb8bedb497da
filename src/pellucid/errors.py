"""The exceptions for a user's mistake."""


class PellucidError(Exception):
    """A mistake that the user can put right: one line that names the thing, what was expected and what came.

    The command line prints it without a traceback and exits with code 2.
    """


class OutOfMemoryError(PellucidError):
    """A device has too little memory. needed, free, total: bytes. device: its name."""

    def __init__(self, needed: int, free: int, total: int, device: str) -> None:
        self.needed, self.free = needed, free
        super().__init__(
            f"GPU memory: {needed / 1e9:.3f} GB needed at once, {free / 1e9:.3f} GB free of {total / 1e9:.3f} GB on "
            f"{device}; a smaller batch needs less"
        )
