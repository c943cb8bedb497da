"""A short part of the campaign of Python calls, always the same ones."""

import pytest
from robustness.attempts import REFUSED, RIGHT
from robustness.calls import CALLERS, Calls

CALLS = 60


@pytest.mark.parametrize("name", CALLERS)
def test_every_call_is_right_or_says_why_not_in_one_line(name: str) -> None:
    calls, kinds = Calls(name), set()
    for seed in range(CALLS):
        outcome = calls.attempt(seed)
        assert outcome.kind in {RIGHT, REFUSED}, f"seed {seed}: {outcome.said}"
        kinds.add(outcome.kind)
    assert kinds == {RIGHT, REFUSED}
