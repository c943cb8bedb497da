"""Help, asked for as a command."""

import pytest

from pellucid.cli.app import main


def test_help_is_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    for asked, same in (
        (["help"], ["--help"]),
        (["help", "help"], ["--help"]),
        (["help", "train"], ["train", "--help"]),
    ):
        assert main(same) == 0
        expected = capsys.readouterr().out
        assert main(asked) == 0
        assert capsys.readouterr().out == expected
    assert "--epochs" in expected


def test_help_of_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "trian"]) == 2
    assert "did you mean train?" in capsys.readouterr().err
