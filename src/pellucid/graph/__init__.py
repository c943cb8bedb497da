"""What a network is: nodes in order, the containers that unroll into them, one executor, and passes over nodes."""

from pellucid.graph.aliases import Concat
from pellucid.graph.containers import Branches, Residual, Sequential, Sum
from pellucid.graph.executor import Executor
from pellucid.graph.fuse import fuse
from pellucid.graph.graph import Graph
from pellucid.graph.grid import Axis, Grid, grid, grids
from pellucid.graph.node import INPUT, Group, Node, Nodes
from pellucid.graph.unroll import Container, Unrolling, unroll
from pellucid.graph.upsampled import Upsampled

__all__ = [
    "INPUT",
    "Axis",
    "Branches",
    "Concat",
    "Container",
    "Executor",
    "Graph",
    "Grid",
    "Group",
    "Node",
    "Nodes",
    "Residual",
    "Sequential",
    "Sum",
    "Unrolling",
    "Upsampled",
    "fuse",
    "grid",
    "grids",
    "unroll",
]
