"""The nine networks of the package onnx, whose weights are one number each; and the same with drawn weights."""

from pathlib import Path
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array


def light_files() -> list[Path]:
    """The files; none where the package isn't installed."""
    try:
        import onnx
    except ImportError:
        return []
    return sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))


def expected(file: Path) -> Array:
    """What the network gives for an image of ones."""
    import onnx

    tensor = onnx.TensorProto()
    tensor.ParseFromString(file.with_name(f"{file.stem}_output_0.pb").read_bytes())
    array: Array = onnx.numpy_helper.to_array(tensor)
    return array


def redrawn(file: Path, seed: int) -> Any:
    """The model with weights drawn such that values neither vanish nor explode, variances above 0."""
    import onnx
    from onnx import numpy_helper

    model, rng = onnx.load(file), np.random.default_rng(seed)
    shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    fillers = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    readers = {name: (node, i) for node in model.graph.node for i, name in enumerate(node.input)}
    for node in fillers:
        shape = tuple(map(int, shapes[node.input[0]]))
        reader, place = readers[node.output[0]]
        while reader.op_type == "Unsqueeze":
            reader, place = readers[reader.output[0]]
        positive = reader.op_type == "Mul" or (reader.op_type == "BatchNormalization" and place in {1, 4})
        if len(shape) > 1:
            gain = 2 if len(shape) == 4 else 0.01  # small logits, lest the softmax is all on one class
            array = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(gain / np.prod(shape[1:])))
        else:
            array = rng.random(shape, np.float32) + 0.5 if positive else rng.standard_normal(shape, np.float32) / 10
        model.graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), node.output[0]))
        model.graph.node.remove(node)
    return model
