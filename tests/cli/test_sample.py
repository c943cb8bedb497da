"""Pictures that are written to be tried."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.cli.app import main
from pellucid.data.formats.mnist import mnist_dataset


def test_digits_are_those_of_the_test_set(tmp_path: Path) -> None:
    assert main(["sample", "--count", "3", "--out", str(tmp_path / "some")]) == 0
    expected = np.asarray(mnist_dataset(train=False).inputs)[:3, 0]
    files = sorted((tmp_path / "some").iterdir())
    assert [file.name for file in files] == ["digit-000.png", "digit-001.png", "digit-002.png"]
    np.testing.assert_array_equal(np.stack([np.asarray(Image.open(file)) for file in files]), expected)


def test_a_scene_is_larger_and_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "scene", "digit", "-o", str(tmp_path)]) == 0
    assert Image.open(tmp_path / "scene.png").size > Image.open(tmp_path / "digit.png").size == (28, 28)
    (tmp_path / "digit.png").write_bytes(b"mine")
    assert main(["sample", "-o", str(tmp_path)]) == 2
    assert "digit.png exists" in capsys.readouterr().err
    assert (tmp_path / "digit.png").read_bytes() == b"mine"


def test_a_digit_for_the_exported_program(tmp_path: Path) -> None:
    assert main(["sample", "digit", "--form", "pgm", "--out", str(tmp_path)]) == 0
    expected = np.asarray(mnist_dataset(train=False).inputs)[0, 0]
    assert (tmp_path / "digit.pgm").read_bytes().split(b"\n", 3)[-1] == expected.tobytes()
    assert (tmp_path / "digit.pgm").read_bytes()[:2] == b"P5"
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "digit.pgm")), expected)


def test_what_can_not_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "3.png"
    file.write_bytes(b"mine")
    for out in (file, file / "deeper"):
        assert main(["sample", "digit", "--out", str(out)]) == 2
        assert capsys.readouterr().err.startswith("pellucid: cannot write ")
    assert file.read_bytes() == b"mine"
