"""PyTorch's files of weights: read and written without it, and nothing in a file is trusted."""

import io
import os
import pickle
import struct
import tempfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.exchange.torch_files import MAGIC, VERSION, read_torch
from pellucid.exchange.torch_write import write_torch
from pellucid.ops.arrays import Array
from pellucid.ops.formats import float_type

MUTATIONS = 1000  # of each format


def some_arrays() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {
        "conv.weight": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "conv.bias": rng.standard_normal(4).astype(np.float64),
        "half": rng.standard_normal((2, 5)).astype(np.float16),
        "brain": rng.standard_normal((2, 5)).astype(float_type("bfloat16")),
        "count": np.array(7, np.int64),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3), np.float32),
    }


def older_file(arrays: dict[str, Array]) -> bytes:
    """The format before 1.6, of what a zip file of ours holds: the same pickle, with storages behind it."""
    inside = io.BytesIO(zip_file(arrays))
    with zipfile.ZipFile(inside) as archive:
        program = archive.read("archive/data.pkl").replace(b"tQ", b"NtQ")  # a storage that is no view of another
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(VERSION, 2), pickle.dumps({"little_endian": True}, 2), program]
    parts.append(pickle.dumps([str(number) for number in range(len(arrays))], 2))
    return b"".join(
        [
            *parts,
            *(struct.pack("<q", array.size) + np.ascontiguousarray(array).tobytes() for array in arrays.values()),
        ]
    )


def zip_file(arrays: dict[str, Array]) -> bytes:
    """What `write_torch` writes."""
    with tempfile.TemporaryDirectory() as folder:
        write_torch(Path(folder) / "x.pth", arrays)
        return (Path(folder) / "x.pth").read_bytes()


FORMATS: dict[str, Callable[[dict[str, Array]], bytes]] = {"zip": zip_file, "older": older_file}


def assert_equal(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_is_read_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(FORMATS[kind](some_arrays()))
    assert_equal(read_torch(path), some_arrays())


def test_equal_weights_are_equal_files() -> None:
    assert zip_file(some_arrays()) == zip_file(some_arrays())


def test_pytorch_reads_what_is_written(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    write_torch(tmp_path / "x.pth", some_arrays())
    found = torch.load(tmp_path / "x.pth", weights_only=True)
    assert list(found) == list(some_arrays())
    for name, array in some_arrays().items():
        assert tuple(found[name].shape) == array.shape
        np.testing.assert_array_equal(found[name].double().numpy(), array.astype(np.float64))


@pytest.mark.parametrize("new", [True, False])
def test_what_pytorch_writes_is_read(tmp_path: Path, new: bool) -> None:
    torch = pytest.importorskip("torch")
    base = torch.arange(24.0).reshape(4, 6)
    saved = {
        "whole": base,
        "turned": base.T,
        "part": base[1:3, ::2],
        "same": base,
        "parameter": torch.nn.Parameter(base[0]),
        "brain": base.bfloat16(),
        "half": base.half(),
        "double": base.double(),
        "number": torch.tensor(3),
        "grown": torch.ones(1, 1).expand(3, 2),
        "none": torch.zeros(0),
    }
    for content in (saved, {"epoch": 3, "model": saved, "optimizer": {"state": {0: {"m": base * 2}}, "lr": 0.1}}):
        path = tmp_path / "x.pth"
        torch.save(content, path, _use_new_zipfile_serialization=new)
        found = read_torch(path)
        assert list(found) == list(saved)
        for name, tensor in saved.items():
            expected = tensor.detach().double().numpy()
            np.testing.assert_array_equal(found[name].astype(np.float64), expected, strict=True)
        assert np.shares_memory(found["whole"], found["turned"])


@pytest.mark.parametrize("new", [True, False])
def test_the_state_dict_in_a_checkpoint_is_found(tmp_path: Path, new: bool) -> None:
    """What training programs keep beside it: an accuracy that is a tensor, schedules, a device, averages."""
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    saved = model.state_dict()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 5]).state_dict()
    beside = {"best_acc1": torch.tensor(73.2), "epoch": 3, "optimizer": optimizer.state_dict(), "schedule": steps}
    odds = {"device": torch.device("cpu"), "dtype": torch.float32, "size": torch.Size([2, 3]), "seen": {1, 2}}
    odds |= {"best": np.float64(3.5), "random": np.arange(3)}
    for content in (
        {"state_dict": saved, **beside},
        {"weights": saved, **odds},
        {"checkpoint": {"model": saved}},
        {"model": saved, "model_ema": {name: 0 * tensor for name, tensor in saved.items()}},
        {"model_ema": saved, "step": 1},
    ):
        path = tmp_path / "x.pth"
        torch.save(content, path, _use_new_zipfile_serialization=new)
        found = read_torch(path)
        assert list(found) == list(saved)
        for name, tensor in saved.items():
            np.testing.assert_array_equal(found[name], tensor.numpy())
    torch.save({"generator": saved, "critic": saved}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(PellucidError, match="several dicts of tensors, under generator, critic"):
        read_torch(path)


@pytest.mark.parametrize("new", [True, False])
def test_a_whole_module_is_refused_and_told_what_to_save(tmp_path: Path, new: bool) -> None:
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "x.pt", _use_new_zipfile_serialization=new)
    with pytest.raises(PellucidError, match=r"Linear.*torch\.save\(model\.state_dict\(\), FILE\)"):
        read_torch(tmp_path / "x.pt")


def test_safetensors_are_read(tmp_path: Path) -> None:
    from pellucid.weights import pack

    arrays = {name: array for name, array in some_arrays().items() if array.size}
    (tmp_path / "x.safetensors").write_bytes(pack(arrays))
    found = read_torch(tmp_path / "x.safetensors")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


class Evil:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(2, 6))
def test_nothing_is_called(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "called"
    program = pickle.dumps({"w": Evil(os.system, (f"touch {mark}",))}, protocol)
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    with pytest.raises(PellucidError, match="refused, as the pickle names"):
        read_torch(path)
    heads = [pickle.dumps(MAGIC, 2), pickle.dumps(VERSION, 2), pickle.dumps({}, 2)]
    path.write_bytes(b"".join([*heads, program]))
    with pytest.raises(PellucidError, match="refused, as the pickle names"):
        read_torch(path)
    assert not mark.exists()


def test_views_beyond_their_storage_and_endless_ones_are_refused(tmp_path: Path) -> None:
    content = older_file({"w": np.arange(6, dtype=np.float32)})
    shape, long = struct.pack("<i", 6), struct.pack("<i", 1 << 30)
    assert b"(J" + shape + b"t" in content
    (tmp_path / "x.pth").write_bytes(content.replace(b"(J" + shape + b"t", b"(J" + struct.pack("<i", 7) + b"t"))
    with pytest.raises(PellucidError, match="reaches number 6 of a storage of 6"):
        read_torch(tmp_path / "x.pth")
    (tmp_path / "x.pth").write_bytes(content.replace(b"(J" + shape + b"t", b"(J" + long + b"t"))
    with pytest.raises(PellucidError, match="more numbers than the file has room for"):
        read_torch(tmp_path / "x.pth")


def test_compressed_archives_and_programs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}." + bytes(1 << 20))
    with pytest.raises(PellucidError, match="is compressed"):
        read_torch(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/constants.pkl", b"\x80\x02}.")
    with pytest.raises(PellucidError, match="TorchScript"):
        read_torch(path)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut, doubled, overwritten, or with numbers in it made huge."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data)))
        match rng.integers(6):
            case 0:
                del data[at:]
            case 1:
                data[at] = int(rng.integers(256))
            case 2:
                data[at : at + 4] = struct.pack("<i", int(rng.choice([-1, 1 << 30, (1 << 31) - 1, -(1 << 31)])))
            case 3:
                data[at : at + 8] = struct.pack("<q", int(rng.choice([-1, 1 << 40, (1 << 63) - 1])))
            case 4:
                data[at:at] = data[at : at + int(rng.integers(1, 200))]
            case _:
                del data[at : at + int(rng.integers(1, 50))]
        if not data:
            return b""
    return bytes(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_end_in_one_line_and_little_memory(tmp_path: Path, kind: str) -> None:
    content, path = FORMATS[kind](some_arrays()), tmp_path / "x.pth"
    rng, refused = np.random.default_rng(1), 0
    tracemalloc.start()
    try:
        for _ in range(MUTATIONS):
            path.write_bytes(mutated(content, rng))
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                for array in read_torch(path).values():
                    assert array.size <= 2 * len(content)
                    with np.errstate(invalid="ignore"):
                        array.astype(np.float64)
            except PellucidError as error:
                refused += 1
                assert "\n" not in str(error)
                assert str(path) in str(error)
            assert tracemalloc.get_traced_memory()[1] - before < 2 << 20
    finally:
        tracemalloc.stop()
    assert refused > MUTATIONS // 2
