"""How each layer is written in ONNX's operators: one function a layer, found in WRITERS by its class."""

from __future__ import annotations

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_sheet import Sheet
from pellucid.exchange.onnx_writers import activations, arithmetic, layout, norms, sizes, types, windows
from pellucid.exchange.onnx_writers.writer import Write, Writer
from pellucid.layers import Layer
from pellucid.network import Network
from pellucid.ops.arrays import Shape

WRITERS: dict[type[Layer], Write] = {
    **windows.WRITERS,
    **arithmetic.WRITERS,
    **activations.WRITERS,
    **norms.WRITERS,
    **layout.WRITERS,
    **sizes.WRITERS,
    **types.WRITERS,
}
"""By layer; one that is written as its base class isn't named."""


def write_layers(sheet: Sheet, network: Network) -> dict[str, Shape]:
    """Each node of the network on the sheet; the shapes of one sample of its outputs, by their names there.

    Raises PellucidError where layers have no ONNX form, naming all of them.
    """
    writers = _writers(network)
    writer = Writer(network, sheet)
    writer.values |= {node.name: node.name or "output" for node in network.nodes}
    for node, write in zip(network.nodes, writers, strict=True):
        write(writer, node)
    return {writer.values[name]: writer.shapes[name] for name in network.nodes.outputs}


def _writers(network: Network) -> list[Write]:
    """One for each node, that of its layer's class or of the nearest base."""
    found = [
        next((WRITERS[kind] for kind in type(node.layer).__mro__ if kind in WRITERS), None) for node in network.nodes
    ]
    missing = [node for node, write in zip(network.nodes, found, strict=True) if write is None]
    if missing:
        listed = ", ".join(f"{node.name or 'the network'} ({node.layer.kind})" for node in missing)
        raise PellucidError(f"ONNX has no form of {listed}")
    return [write for write in found if write is not None]
