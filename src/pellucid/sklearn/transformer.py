"""A transformer: features are what a layer of a trained network says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_X_y

from pellucid.errors import InputError
from pellucid.layers import Layer
from pellucid.ops.arrays import Array, Shape
from pellucid.sklearn.base import ConvNet
from pellucid.sklearn.refusals import in_one_sentence
from pellucid.sklearn.weighted import Weighted, WeightedCrossEntropy, WeightedSquaredError


class ConvNetTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ConvNet):
    """Trains a network for y, classes or (floats that are no whole numbers) numbers; gives a layer's output.

    layer: name of the layer in `network_`; None for what its last layer is given. The other parameters are those of
    `ConvNet`. Fitted: network_, layer_ (its name), loss_curve_, validation_losses_, n_epochs_.
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
        layer: str | None = None,
    ) -> None:
        super().__init__(
            network,
            image_shape=image_shape,
            layout=layout,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            rate=rate,
            weight_decay=weight_decay,
            dtype=dtype,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            tolerance=tolerance,
            warm_start=warm_start,
            random_state=random_state,
        )
        self.layer = layer

    def __sklearn_tags__(self) -> Any:
        """Needs y; features have the network's float type."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64"] if self.dtype != "float32" else ["float32"]
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X, a table (N, F) or images, with classes or numbers y (N,) or (N, M)."""
        if y is None:
            raise InputError("ConvNetTransformer requires y to be passed, but the target y is None")
        X = self._samples(X, reset=True)
        with in_one_sentence():
            _, y = check_X_y(X, y, allow_nd=True, dtype=None, multi_output=True)
        weights = self._weights(X, sample_weight)
        task: Weighted
        classes: Array | None = None
        rows: Array
        if type_of_target(y) in {"binary", "multiclass"}:
            names, classes = np.unique(y, return_inverse=True)
            classes = classes.reshape(-1)
            task, rows, outputs = WeightedCrossEntropy(), classes[:, None], len(names)
        else:
            rows = np.asarray(y, np.float64).reshape(len(y), -1)
            task, outputs = WeightedSquaredError(), rows.shape[1]
        self._train(X, rows, weights, task, outputs, classes)
        nodes = list(self.network_.nodes)
        self.layer_ = nodes[-2].name if self.layer is None else self.network_.find(self.layer).name
        self._n_features_out = self._outputs(X[:1], self.layer_).size
        return self

    def transform(self, X: Any) -> Array:
        """The layer's outputs, each sample's as one row: (N, features)."""
        outputs = self._outputs(X, getattr(self, "layer_", None))
        return np.ascontiguousarray(outputs.reshape(len(outputs), -1))
