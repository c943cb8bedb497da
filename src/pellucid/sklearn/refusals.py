"""What scikit-learn's checks refuse, said in one sentence, as this library's errors and as those it wants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.exceptions import NotFittedError

from pellucid.errors import InputError, PellucidError

RESHAPE = "Reshape your data"  # scikit-learn wants these words where a table has one axis only


class WrongTypeError(InputError, TypeError):
    """Something that is no number, which scikit-learn expects to be a TypeError."""


class UnfittedError(InputError, NotFittedError):
    """An answer asked of an estimator that has not learnt."""


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """Raise InputError (as `WrongTypeError` or `UnfittedError` where it is one) for what a check within refuses."""
    try:
        yield
    except PellucidError:
        raise
    except NotFittedError as error:
        raise UnfittedError(_sentence(error)) from error
    except TypeError as error:
        raise WrongTypeError(_sentence(error)) from error
    except ValueError as error:
        raise InputError(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    """The first line of a message, without what it shows of an array."""
    text = str(error)
    first = text.split("\n", 1)[0].rstrip(" .:")
    return f"{first}; {RESHAPE} as (N, F)" if RESHAPE in text and RESHAPE not in first else first
