"""An ONNX graph in the making: its nodes and tensors, and what the network's values are called in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.ops.arrays import Array


@dataclass
class Sheet:
    """values: by the network's name of a value, the file's. nodes: (operator, inputs, outputs, name, attributes)."""

    values: dict[str, str] = field(default_factory=dict)
    nodes: list[tuple[Any, ...]] = field(default_factory=list)
    tensors: dict[str, Array] = field(default_factory=dict)

    def node(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add an operator, called after its one value."""
        self.nodes.append((operator, list(inputs), [output], output, attributes))
        return output

    def constant(self, name: str, values: Any) -> str:
        """Name of a tensor that no layer learns."""
        self.tensors[name] = np.asarray(values)
        return name
