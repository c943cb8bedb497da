"""A regressor."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_X_y

from pellucid.errors import InputError
from pellucid.ops.arrays import Array
from pellucid.sklearn.base import ConvNet
from pellucid.sklearn.refusals import in_one_sentence
from pellucid.sklearn.weighted import WeightedSquaredError


class ConvNetRegressor(RegressorMixin, ConvNet):
    """Mean squared error of one or several numbers a sample. The parameters are those of `ConvNet`.

    Fitted: network_, loss_curve_ (training loss of each epoch), validation_losses_, n_epochs_.
    """

    def __sklearn_tags__(self) -> Any:
        """Several numbers a sample are taken."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X, a table (N, F) or images, with numbers y (N,) or (N, M) and what each sample counts (N,)."""
        X, rows = self._checked(X, y, reset=True)
        weights = self._weights(X, sample_weight)
        return self._train(X, rows, weights, WeightedSquaredError(), rows.shape[1], None)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One more epoch, on these samples."""
        first = not hasattr(self, "network_")
        X, rows = self._checked(X, y, reset=first)
        weights = self._weights(X, sample_weight)
        seed = self._seed()
        if first:
            self._begin(X, rows.shape[1], seed)
        elif self.network_.output_shape != (rows.shape[1],):
            raise InputError(f"y: expected {self.network_.output_shape[0]} numbers a sample, got {rows.shape[1]}")
        self._run(X, rows, weights, WeightedSquaredError(), seed + self.n_epochs_, 1)
        return self

    def predict(self, X: Any) -> Array:
        """(N,), or (N, M) where y was so."""
        outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[Array, Array]:
        """X, and y as (N, M) floats."""
        if y is None:
            raise InputError("ConvNetRegressor requires y to be passed, but the target y is None")
        X = self._samples(X, reset=reset)
        with in_one_sentence():
            _, y = check_X_y(X, y, allow_nd=True, dtype=None, multi_output=True, y_numeric=True)
        if y.ndim > 2:
            raise InputError(f"y: expected (N,) or (N, M), got shape {y.shape}")
        if reset:
            self._flat = y.ndim == 1
        with in_one_sentence():  # text that is no number
            return X, y.reshape(len(y), -1).astype(np.float64)
