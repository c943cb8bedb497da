"""What the TensorBoard callback writes, read by another reader of such files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl

pytest.importorskip("tensorboardX")


def test_scalars_histograms_images_and_the_graph_are_in_the_file(tmp_path: Path) -> None:
    from tensorboardX.event_file_writer import EventFileWriter  # noqa: F401
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.graph_pb2 import GraphDef

    data = pl.data.mnist()
    data = replace(data, train=data.train.subset(range(128)), test=data.test.subset(range(50)))
    net = pl.Network(pl.nn.Sequential(pl.nn.Conv2d(4), pl.nn.ReLU(), pl.nn.Flatten(), pl.nn.Linear(10)), data.shape)
    board = pl.callbacks.TensorBoard(tmp_path)
    run = pl.fit(net, data, epochs=2, callbacks=[board], verbosity=0)
    (file,) = tmp_path.glob("events*")
    content, events = file.read_bytes(), []
    while content:  # records: length (8), its checksum (4), the event, its checksum (4)
        length = int.from_bytes(content[:8], "little")
        events.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    values = [(event.step, value) for event in events for value in event.summary.value]
    losses = [value.simple_value for _, value in values if value.tag == "loss/test"]
    assert losses == pytest.approx([record["test"]["loss"] for record in run.history], rel=1e-6)
    weight = next(v.histo for step, v in reversed(values) if v.tag == "weights/0.weight")
    own = net.parameters["0.weight"].value
    assert weight.num == own.size
    assert weight.sum == pytest.approx(float(np.sum(own, dtype=np.float64)))
    assert any(v.tag == "gradients/3.bias" for _, v in values)
    assert sum(v.tag.startswith("predictions/0") for _, v in values) == 2
    graph = GraphDef.FromString(next(event.graph_def for event in events if event.graph_def))
    assert [(node.name, node.op, list(node.input)) for node in graph.node][:3] == [
        ("input", "Input", []),
        ("0", "Conv2d", ["input"]),
        ("1", "ReLU", ["0"]),
    ]
