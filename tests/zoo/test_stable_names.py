"""Weights that version 0.1 saved are loaded today: its networks' parameters are called and shaped as they were.

`parameters_0_1.json` has them in the order of the vector, as version 0.1 gave them.
"""

import json
from pathlib import Path

import pytest

from pellucid import zoo
from pellucid.graph import unroll

KNOWN = json.loads((Path(__file__).parent / "parameters_0_1.json").read_text())


@pytest.mark.parametrize("name", KNOWN)
def test_parameters_are_named_as_in_version_0_1(name: str) -> None:
    nodes = unroll(zoo.create(name, KNOWN[name]["classes"]))
    nodes.build(tuple(map(int, KNOWN[name]["input"].split("x"))))
    found = [
        f"{node.name}.{key}:{'x'.join(map(str, p.shape))}{'' if p.trained else ':kept'}"
        for node in nodes
        for key, p in node.layer.parameters().items()
    ]
    assert found == KNOWN[name]["parameters"].split(" ")
