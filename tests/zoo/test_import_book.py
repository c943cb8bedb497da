"""The book's pickled weights: read exactly, and nothing in a pickle is trusted."""

import io
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import ops, zoo
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.recipes import book
from pellucid.training.folder import RunFolder
from pellucid.zoo.book import load_book_parameters, read_book_parameters

BOOK_SHAPES = {
    "W1": (16, 1, 3, 3),
    "W2": (16, 16, 3, 3),
    "W3": (32, 16, 3, 3),
    "W4": (32, 32, 3, 3),
    "W5": (64, 32, 3, 3),
    "W6": (64, 64, 3, 3),
    "W7": (64 * 4 * 4, 50),
    "W8": (50, 10),
}


def book_parameters() -> dict[str, Array]:
    rng = np.random.default_rng(1)
    found = {}
    for key, shape in BOOK_SHAPES.items():
        features = shape[0] if len(shape) == 4 else shape[1]
        found[key] = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:] if len(shape) == 4 else shape[:1]))
        found[f"b{key[1:]}"] = rng.standard_normal(features)
    return found


def book_forward(p: dict[str, Array], x: Array) -> Array:
    """The book's network in the book's terms: im2col-free convolutions, pooling, x W + b."""

    def conv(x: Array, w: Array, b: Array, pad: int) -> Array:
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        y: Array = np.einsum("nchwrs,kcrs->nkhw", windows, w, optimize=True) + b[:, None, None]
        return np.maximum(y, 0)

    def pool(x: Array) -> Array:
        N, C, H, W = x.shape
        y: Array = x.reshape(N, C, H // 2, 2, W // 2, 2).max((3, 5))
        return y

    for first, pads in ((1, (1, 1)), (3, (1, 2)), (5, (1, 1))):
        for i, pad in enumerate(pads):
            x = conv(x, p[f"W{first + i}"], p[f"b{first + i}"], pad)
        x = pool(x)
    x = np.maximum(x.reshape(len(x), -1) @ p["W7"] + p["b7"], 0)
    return 0.5 * (0.5 * x @ p["W8"] + p["b8"])  # dropout, when it infers


def network(dtype: type = np.float64) -> Network:
    return Network(zoo.create("deep-convnet", 10), (1, 28, 28), dtype=dtype)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_imported_network_computes_what_the_books_does(tmp_path: Path, protocol: int) -> None:
    parameters = book_parameters()
    path = tmp_path / "deep_convnet_params.pkl"
    path.write_bytes(pickle.dumps(parameters, protocol))
    net = network()
    load_book_parameters(net, path)
    x = np.random.default_rng(2).random((3, 1, 28, 28))
    with ops.use_backend("numpy"):
        np.testing.assert_allclose(net.forward(x), book_forward(parameters, x), rtol=1e-10)


def test_the_recipe_which_makes_it_a_run_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path, run = tmp_path / "deep_convnet_params.pkl", RunFolder(tmp_path / "run")
    path.write_bytes(pickle.dumps(book_parameters()))
    written = []
    monkeypatch.setattr(book, "write_whole", lambda file, _: written.append((file, run.model.exists())))
    book.import_book_run(path, run.path)
    assert written == [(run.recipe, True)]


def test_the_module_names_of_old_and_new_numpy_are_one(tmp_path: Path) -> None:
    content = pickle.dumps({"a": np.arange(6.0).reshape(2, 3)}, 4)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    assert new in content or old in content
    for name in (old, new):
        other = new if name == old else old
        text = content.replace(bytes([len(other)]) + other, bytes([len(name)]) + name)
        frame = text.index(b"\x95") + 1  # protocol 4 counts the bytes of a frame
        text = text[:frame] + (len(text) - frame - 8).to_bytes(8, "little") + text[frame + 8 :]
        (tmp_path / "x.pkl").write_bytes(text)
        np.testing.assert_array_equal(read_book_parameters(tmp_path / "x.pkl")["a"], [[0, 1, 2], [3, 4, 5]])


def test_byte_order_and_fortran_order_are_kept(tmp_path: Path) -> None:
    a = np.arange(6.0).reshape(2, 3)
    given = {
        "big": a.astype(">f8"),
        "fortran": np.asfortranarray(a),
        "single": a.astype("f4"),
        "none": np.zeros((0, 2)),
    }
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(given))
    found = read_book_parameters(tmp_path / "x.pkl")
    for key, array in given.items():
        np.testing.assert_array_equal(found[key], array)


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Calls(os.system, "touch marker"), "system"),
        (Calls(subprocess.check_call, ["touch", "marker"]), "subprocess.check_call"),
        (Calls(eval, "1 + 1"), "builtins.eval"),
        (Calls(getattr, "x", "upper"), "builtins.getattr"),
        (np.load, "numpy.load"),
        (Path("x"), "pathlib"),
        ({"W1": np.float64(1)}, "multiarray.scalar"),
    ],
)
def test_any_other_name_in_the_pickle_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(value, 4))
    with pytest.raises(PellucidError, match=named) as caught:
        read_book_parameters(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["x.pkl"]  # nothing was called


@pytest.mark.parametrize(
    "damage", [b"", b"hello", b"\x80\x04N.", b"\x80\x04\x8d" + b"\xff" * 8, b"(lp0\n0.", b"cos\n"]
)
def test_what_is_no_pickle_of_arrays_is_one_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(damage)
    with pytest.raises(PellucidError, match=r"x\.pkl: (not a pickle|expected a dict)") as caught:
        read_book_parameters(path)
    assert "\n" not in str(caught.value)


ARRAY = pickle.dumps(np.arange(1000.0), 2)[2:-1]  # its instructions alone
PROGRAMS = {
    "deep tuples as a key": b"}" + b")" + b"\x85" * 90_000 + b"Ns.",
    "doubled tuples as a key": b"})" + b"q\x00h\x00\x86" * 60 + b"Ns.",
    "doubled tuples as a value": b"}X\x02\x00\x00\x00W1)" + b"q\x00h\x00\x86" * 60 + b"s.",
    "doubled tuples as a type": b"cnumpy\ndtype\n)" + b"q\x00h\x00\x86" * 60 + b"\x85R.",
    "a list in itself": b"]q\x00h\x00a.",
    "a dict in itself": b"}q\x00X\x01\x00\x00\x00ah\x00s.",
    "text of 2^62 bytes": b"\x8d" + b"\xff" * 7 + b"\x3f",
    "a number of 5,000 digits": b"L" + b"1" * 5000 + b"L\n.",
    "no end": b"}" * 1000,
    "a million instructions": b"N0" * 500_000 + b".",
    "a mark for a value": b"}(X\x01\x00\x00\x00a(u.",
    "a call of text": b"X\x01\x00\x00\x00a)R.",
    "a shape of 2^40": ARRAY.replace(b"M\xe8\x03\x85", b"\x8a\x06\x00\x00\x00\x00\x00\x01\x85") + b".",
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_that_would_end_pythons_reader_are_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02" + PROGRAMS[name])
    with pytest.raises(PellucidError, match=r"x\.pkl: (not a pickle|expected a dict)") as caught:
        read_book_parameters(tmp_path / "x.pkl")
    assert "\n" not in str(caught.value)


def test_a_place_of_a_large_number_needs_no_more_memory_than_any_other(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02}r\xff\xff\xff\x7f.")
    assert read_book_parameters(tmp_path / "x.pkl") == {}


def test_no_more_numbers_are_made_than_the_file_has_room_for(tmp_path: Path) -> None:
    elements = b"C\x10" + bytes(16) + b"q\x05"  # two numbers, put aside, and used a hundred times
    kind = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85Rq\x06"
    one = b"cnumpy._core.numeric\n_frombuffer\n(h\x05h\x06K\x02\x85X\x01\x00\x00\x00CtR"
    program = b"\x80\x04]" + elements + b"a" + kind + b"a(" + one * 100 + b"e."
    (tmp_path / "x.pkl").write_bytes(program)
    with pytest.raises(PellucidError, match="expected a dict of arrays"):
        read_book_parameters(tmp_path / "x.pkl")
    big = b"B" + (8000).to_bytes(4, "little") + bytes(8000) + b"q\x05"
    one = one.replace(b"K\x02", b"M\xe8\x03")
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04]" + big + b"a" + kind + b"a(" + one * 100 + b"e.")
    with pytest.raises(PellucidError, match="more numbers than the file has room for"):
        read_book_parameters(tmp_path / "x.pkl")


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        np.zeros(3),
        {"W1": 3},
        {1: np.zeros(3)},
        {"W1": np.zeros(3, np.int64)},
        {"W1": np.array(["text"], object)},
        {"W1": np.zeros(2, [("a", "f8")])},
    ],
)
def test_anything_but_a_dict_of_float_arrays_is_refused(tmp_path: Path, value: object) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(PellucidError, match=r"x\.pkl"):
        read_book_parameters(tmp_path / "x.pkl")


def test_every_truncation_is_refused_and_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    stream = io.BytesIO()
    pickle.dump(book_parameters(), stream)
    content, net = stream.getvalue(), network()
    before = net.digest()
    for end in range(0, len(content), len(content) // 40):
        (tmp_path / "x.pkl").write_bytes(content[:end])
        with pytest.raises(PellucidError):
            load_book_parameters(net, tmp_path / "x.pkl")
    assert net.digest() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"W3": None}, r"no W3, expected an array of shape \(32, 16, 3, 3\)"),
        ({"W7": np.zeros((50, 1024))}, r"W7 has shape \(50, 1024\), expected \(1024, 50\)"),
        ({"b8": np.zeros(3)}, r"b8 has shape \(3,\), expected \(10,\)"),
        ({"W9": np.zeros((10, 10))}, "W9 belong to no layer"),
    ],
)
def test_missing_misshapen_and_surplus_arrays_are_named(
    tmp_path: Path, change: dict[str, Array | None], said: str
) -> None:
    changed = {key: value for key, value in (book_parameters() | change).items() if value is not None}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(changed))
    net = network()
    before = net.digest()
    with pytest.raises(PellucidError, match=said):
        load_book_parameters(net, tmp_path / "x.pkl")
    assert net.digest() == before
