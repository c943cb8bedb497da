"""The history for TensorBoard: scalars, images with predictions, histograms of weights and gradients, the graph."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.network import Network
from pellucid.training.state import Record
from pellucid.training.trainer import Callback, Trainer

SHOWN = 8  # images with predictions


class TensorBoard(Callback):
    """Writes what TensorBoard shows into a folder: `tensorboard --logdir FOLDER`.

    Of each epoch: every measure of every part of the data, the learning rate, a histogram of each parameter and of
    its last gradient; of a classifier also the first images that it is measured on, called after label and guess.
    Once, the graph. Needs the extra `tensorboard` (tensorboardX; no TensorFlow).
    Raises PellucidError where that isn't installed.
    """

    def __init__(self, folder: str | Path, *, histograms: bool = True, images: bool = True) -> None:
        self.folder, self.histograms, self.images = Path(folder), histograms, images
        try:
            self.library: Any = importlib.import_module("tensorboardX")
        except ImportError as error:
            raise PellucidError(
                "TensorBoard: expected the extra, pip install 'pellucid[tensorboard]', got no tensorboardX"
            ) from error
        self.writer: Any = None

    def start(self, trainer: Trainer) -> None:
        """Open the file, and write the graph."""
        if trainer.communicator.rank == 0:
            self.writer = self.library.SummaryWriter(str(self.folder))
            event = importlib.import_module("tensorboardX.proto.event_pb2").Event
            self.writer.file_writer.add_event(event(graph_def=_graph(trainer.network)))

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Write the epoch's measures, histograms and images."""
        if self.writer is None:
            return
        step = record["step"]
        for part, measures in record.items():
            if isinstance(measures, dict):
                for name, value in measures.items():
                    self.writer.add_scalar(f"{name}/{part}", value, step)
        self.writer.add_scalar("rate", record["rate"], step)
        if self.histograms:
            for name, parameter in trainer.network.parameters.items():
                self._histogram(f"weights/{name}", parameter.value, step)
                if parameter.trained:
                    self._histogram(f"gradients/{name}", parameter.gradient, step)
        if self.images and trainer.task.primary == "accuracy":
            self._images(trainer, step)
        self.writer.flush()

    def end(self, trainer: Trainer, finished: bool) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _histogram(self, name: str, values: Any, step: int) -> None:
        self.writer.add_histogram(name, ops.host(values).astype(np.float64).ravel(), step)

    def _images(self, trainer: Trainer, step: int) -> None:
        loader = next(iter(trainer.evaluations.values()), None)
        if loader is None or len(loader.dataset.shape) != 3:
            return
        names = loader.dataset.class_names
        batch = next(loader.epoch(0))
        with trainer.final_weights() as network:
            guesses = ops.host(network.forward(batch.inputs)).argmax(1)
        pixels, targets = np.asarray(loader.dataset.inputs[:SHOWN]), batch.targets[:SHOWN]
        if pixels.dtype == np.uint8:
            pixels = pixels / np.float32(255)
        for i, (image, target) in enumerate(zip(pixels, targets, strict=True)):
            title = f"predictions/{i}: {names[target]}, taken for {names[guesses[i]]}"
            self.writer.add_image(title, np.clip(image, 0, 1), step)


def _graph(network: Network) -> bytes:
    """The nodes as TensorBoard reads a graph."""
    proto = "tensorboardX.proto"
    graph_def = importlib.import_module(f"{proto}.graph_pb2").GraphDef
    node_def = importlib.import_module(f"{proto}.node_def_pb2").NodeDef
    nodes = [node_def(name="input", op="Input")]
    nodes += [
        node_def(name=_path(node.name), op=node.layer.kind, input=[_path(name) for name in node.inputs])
        for node in network.nodes
    ]
    written: bytes = graph_def(node=nodes).SerializeToString()
    return written


def _path(name: str) -> str:
    """A node's name, with the containers around it as TensorBoard's scopes."""
    return name.replace(".", "/")
