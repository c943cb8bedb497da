"""A classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_X_y, column_or_1d

from pellucid.errors import InputError
from pellucid.layers import Layer
from pellucid.ops import softmax
from pellucid.ops.arrays import Array, Shape
from pellucid.sklearn.base import ConvNet
from pellucid.sklearn.refusals import in_one_sentence
from pellucid.sklearn.weighted import WeightedCrossEntropy


class ConvNetClassifier(ClassifierMixin, ConvNet):
    """Softmax cross-entropy over the classes found in y, which may be numbers or names.

    class_weight: what each class counts, by label, or "balanced". The other parameters are those of `ConvNet`.
    Fitted: classes_ (K,), network_, loss_curve_ (training loss of each epoch), validation_losses_, n_epochs_.
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
        class_weight: Mapping[Any, float] | str | None = None,
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
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X, a table (N, F) or images, with labels y (N,) and what each sample counts (N,)."""
        X, labels = self._checked(X, y, reset=True)
        weights = self._weights(X, sample_weight)
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, labels)
        self.classes_, places = np.unique(labels, return_inverse=True)
        return self._train(X, places[:, None], weights, WeightedCrossEntropy(), len(self.classes_), places)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One more epoch, on these samples. classes: all that there will be; needed at the first call."""
        first = not hasattr(self, "network_")
        if first and classes is None:
            raise InputError("partial_fit: expected classes at the first call, got none")
        X, labels = self._checked(X, y, reset=first)
        weights = self._weights(X, sample_weight)
        known = np.unique(classes) if first else self.classes_
        if not np.isin(labels, known).all():
            unknown = labels[~np.isin(labels, known)][0]
            raise InputError(f"partial_fit: y holds {unknown!r}, expected one of {list(known)}")
        seed = self._seed()
        if first:
            self.classes_ = known
            self._begin(X, len(known), seed)
        places = np.searchsorted(self.classes_, labels)
        self._run(X, places[:, None], weights, WeightedCrossEntropy(), seed + self.n_epochs_, 1)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class: (N, K), in the order of classes_."""
        return np.asarray(softmax(self._outputs(X)))

    def predict(self, X: Any) -> Array:
        """The likeliest class of each sample: (N,)."""
        outputs = self._outputs(X)
        return np.asarray(self.classes_[outputs.argmax(1)])

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[Array, Array]:
        """X and labels, of equally many samples."""
        if y is None:
            raise InputError("ConvNetClassifier requires y to be passed, but the target y is None")
        X = self._samples(X, reset=reset)
        with in_one_sentence():
            labels = column_or_1d(y, warn=True)
            check_classification_targets(labels)
            check_X_y(X, labels, allow_nd=True, dtype=None)
        return X, np.asarray(labels)
