"""What the three estimators share: their parameters, the training, and a network's outputs for X."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from pellucid import ops
from pellucid.arguments import check_arguments, shown
from pellucid.data import Dataset, Loader
from pellucid.data.loader import normalized
from pellucid.errors import InputError
from pellucid.graph import Sequential
from pellucid.layers import Flatten, Layer
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.plan import answering
from pellucid.sklearn.default_network import default_network
from pellucid.sklearn.refusals import in_one_sentence
from pellucid.sklearn.samples import as_images, is_table, white
from pellucid.sklearn.weighted import Weighted
from pellucid.training import OPTIMIZERS, Optimizer, Trainer
from pellucid.training.callbacks import EarlyStopping
from pellucid.training.schedules import Constant

PREDICT_BATCH = 256


class ConvNet(BaseEstimator):
    """A network behind scikit-learn's interface; see the three classes that are made of it.

    network: what is trained: a layer (copied, its last layer has an output for each class or number), or a function
        of the number of outputs that makes one; None for `default_network`.
    image_shape: (C, H, W) or (H, W) of an image where X is a table (N, F) of pixels; None: features without places.
    layout: "NCHW" or "NHWC", the axes of a 4-D X. A 3-D X are grey images (N, H, W). Bytes (uint8) become 0 to 1.
    epochs: how often each sample is seen. batch_size: samples a step; "auto" for 200, or all if fewer.
    optimizer: name of one ("adam", "sgd", "momentum", ...). rate: the learning rate. weight_decay: its L2 penalty.
    dtype: "float32", "float64", or "auto": float64 for tables, float32 for images.
    early_stopping: hold out `validation_fraction` of the samples; stop after `patience` epochs in which their loss
        hasn't fallen by `tolerance`, and keep the best weights. warm_start: `fit` goes on from the weights there are.
    random_state: of weights, order and dropout; the same number gives the same bits.
    """

    def __init__(
        self,
        network: Layer | Callable[[int], Layer] | None = None,
        *,
        image_shape: Shape | None = None,
        layout: str = "NCHW",
        epochs: int = 100,
        batch_size: int | str = "auto",
        optimizer: str = "adam",
        rate: float = 3e-3,
        weight_decay: float = 0.0,
        dtype: str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        tolerance: float = 1e-4,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.network = network
        self.image_shape = image_shape
        self.layout = layout
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.rate = rate
        self.weight_decay = weight_decay
        self.dtype = dtype
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.tolerance = tolerance
        self.warm_start = warm_start
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Tables, sparse ones too, and images are taken."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        tags.non_deterministic = False
        return tags

    def _samples(self, X: Any, *, reset: bool) -> Array:
        """X as a numeric array, of a sparse one too. reset: note its features; else compare with those noted."""
        check_arguments(type(self), (), self.get_params(deep=False))  # scikit-learn wants them looked at here
        with in_one_sentence():
            X = validate_data(self, X, reset=reset, dtype="numeric", allow_nd=True, accept_sparse="csr")
        X = np.asarray(X.toarray() if issparse(X) else X)
        if reset:
            self._sample_shape = X.shape[1:]
        elif X.shape[1:] != self._sample_shape:
            raise InputError(f"X: expected samples of shape {self._sample_shape}, got {X.shape[1:]}")
        return np.asarray(X)

    def _weights(self, X: Array, sample_weight: Any) -> Array:
        with in_one_sentence():
            weights: Array = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise InputError("sample_weight: expected a weight above 0, got only zeros")
        return weights

    def _train(self, X: Array, y: Array, weights: Array, task: Weighted, outputs: int, classes: Array | None) -> Self:
        """Fit anew, or go on from the weights there are where `warm_start` says so. y: (N, M) floats."""
        seed = self._seed()
        if not (self.warm_start and hasattr(self, "network_")):
            self._begin(X, outputs, seed)
        elif self.network_.output_shape != (outputs,):
            raise InputError(f"warm_start: expected {self.network_.output_shape[0]} outputs as before, got {outputs}")
        self._run(X, y, weights, task, seed, self.epochs, early=self.early_stopping, strata=classes)
        return self

    def _begin(self, X: Array, outputs: int, seed: int) -> None:
        """A network with weights of its start, and an optimizer that has seen nothing."""
        shape = as_images(X[:1], self.image_shape, self.layout).shape[1:]
        if self.network is None:
            layer: Layer = default_network(outputs, *shape[1:])
        else:
            layer = self._layer(outputs)
        table = is_table(X, self.image_shape)
        if table and self.network is not None:
            layer = Sequential(Flatten(), layer)
        dtype = ("float64" if table else "float32") if self.dtype == "auto" else self.dtype
        self.network_ = Network(layer, shape, dtype=dtype, seed=seed)
        if self.network_.output_shape != (outputs,):
            raise InputError(
                f"network: expected an output of shape {(outputs,)} for y, got {self.network_.output_shape}"
            )
        if not isinstance(self.optimizer, str) or self.optimizer not in OPTIMIZERS:
            raise InputError(f"optimizer: expected one of {', '.join(OPTIMIZERS)}, got {self.optimizer!r}")
        make: Callable[..., Optimizer] = OPTIMIZERS[self.optimizer]
        self._optimizer = make(self.rate, weight_decay=self.weight_decay)
        self.loss_curve_: list[float] = []
        self.validation_losses_: list[float] = []
        self.n_epochs_ = 0

    def _seed(self) -> int:
        with in_one_sentence():
            return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _layer(self, outputs: int) -> Layer:
        """What `network` is, or makes."""
        network = self.network
        made = copy.deepcopy(network) if isinstance(network, Layer) else network
        if callable(network) and not isinstance(network, Layer):
            made = network(outputs)
        if not isinstance(made, Layer):
            raise InputError(
                f"network: expected a layer, or a function of the outputs that makes one, got {shown(made)}"
            )
        return made

    def _run(
        self,
        X: Array,
        y: Array,
        weights: Array,
        task: Weighted,
        seed: int,
        epochs: int,
        *,
        early: bool = False,
        strata: Array | None = None,
    ) -> None:
        """Train for some epochs."""
        images, targets = self._scaled(X), np.column_stack([weights, y])
        rows, held = np.arange(len(X)), np.arange(0)
        if early:
            with in_one_sentence():
                rows, held = train_test_split(
                    rows, test_size=self.validation_fraction, random_state=seed, stratify=strata
                )
        batch = min(200, len(rows)) if self.batch_size == "auto" else self.batch_size
        if isinstance(batch, str):
            raise InputError(f'batch_size: expected a whole number or "auto", got {batch!r}')
        dtype = self.network_.dtype

        def loader(part: Array, size: int, shuffle: bool) -> Loader:
            chosen = (images, targets) if len(part) == len(images) else (images[part], targets[part])
            return Loader(Dataset(*chosen, (), "X"), size, seed, shuffle, dtype=dtype)

        learned = loader(rows, batch, True)
        trainer = Trainer(
            self.network_,
            task,
            learned,
            self._optimizer,
            Constant(),
            epochs,
            evaluations={"validation": loader(held, PREDICT_BATCH, False)} if early else {},
            seed=seed,
            callbacks=[EarlyStopping(self.patience, least=self.tolerance)] if early else [],
        )
        trainer.fit()
        self.loss_curve_ += [record["train"]["loss"] for record in trainer.state.history]
        if early:
            self.validation_losses_ += [record["validation"]["loss"] for record in trainer.state.history]
        self.n_epochs_ += trainer.state.epoch

    def _scaled(self, X: Array) -> Array:
        """X as images of the network's float type; bytes from 0 to 1."""
        images = as_images(X, self.image_shape, self.layout)
        return normalized(images, self.network_.dtype, white(X))

    def _outputs(self, X: Any, layer: str | None = None) -> Array:
        """Outputs of the network, or of a layer of it, for X: (N, ...). Raises NotFittedError before `fit`."""
        with in_one_sentence():
            check_is_fitted(self, "network_")
        images = self._scaled(self._samples(X, reset=False))
        answer = answering(self.network_, layer)
        starts = range(0, len(images), PREDICT_BATCH)
        return np.concatenate([ops.host(answer(images[start : start + PREDICT_BATCH])) for start in starts])
