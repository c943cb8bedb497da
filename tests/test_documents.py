"""JSON and TOML of others: every limit of Python's readers is one line."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from pellucid.documents import parse_json, parse_toml
from pellucid.errors import LONGEST, PellucidError

BAD = [
    (parse_json, "[" * 100_000, "nested too deeply"),
    (parse_json, "[" * 50 + "]" * 50, "nested more than 40 deep"),
    (parse_json, '{"a": ' * 50_000, "nested too deeply"),
    (parse_json, "1" * 5000, "not JSON as it is used here"),
    (parse_json, '{"id": ' + "1" * 4000 + "}", "id: a whole number of more than 64 bits"),
    (parse_json, '"\\ud800"', "half a character"),
    (parse_json, '{"\\udfff": 1}', "half a character"),
    (parse_json, b"\xff\xfe[\0", "not JSON, no UTF-8 at byte 0"),
    (parse_json, b'["a\xe9"]', "not JSON, no UTF-8 at byte 3"),
    (parse_json, "", "x:1:1: not JSON"),
    (parse_json, '{"a": 1,\n}', "x:2:1: not JSON"),
    (parse_toml, "a = " + "[" * 100_000, "nested too deeply"),
    (parse_toml, "a = " + "{a = " * 10_000, "nested too deeply"),
    (parse_toml, "a = " + "1" * 5000, "not TOML as it is used here"),
    (parse_toml, "a = 0x" + "f" * 9000, "a: a whole number of more than 64 bits"),
    (parse_toml, ".".join(["a"] * 2000) + " = 1", "fewer dots in a line"),
    (parse_toml, ".".join(["a"] * 100) + " = 1", "nested more than 40 deep"),
    (parse_toml, "a = 2024-02-31", "x: "),
    (parse_toml, b"a = '\xe9'", "not TOML, no UTF-8 at byte 5"),
    (parse_toml, "a = 1 # " + "x" * (1 << 20), "expected a TOML file of at most"),
]


@pytest.mark.parametrize(("parse", "text", "said"), BAD, ids=range(len(BAD)))
def test_what_python_stops_at_is_one_line(parse: Callable[[Any, str], object], text: Any, said: str) -> None:
    with pytest.raises(PellucidError, match=said) as caught:
        parse(text, "x")
    assert str(caught.value).startswith("x:")
    assert "\n" not in str(caught.value)


def test_plain_documents_are_read() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": [1, 2.5, "\xc3\xa4", null]}', "x") == {"a": [1, 2.5, "ä", None]}
    assert math.isnan(parse_json("NaN", "x"))
    assert parse_toml("\ufeffa = 18446744073709551615\n[b]\nc = 'x'", "x") == {"a": (1 << 64) - 1, "b": {"c": "x"}}


def test_a_message_is_one_line_that_can_be_shown() -> None:
    assert str(PellucidError("no a\nb\x1b[31m\ud800 ä")) == "no a\\nb\\x1b[31m\\ud800 ä"
    assert len(str(PellucidError("x" * 10**6))) < LONGEST + 10
