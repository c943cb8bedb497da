"""The estimators in scikit-learn's own tools, on its digits."""

import io
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pellucid.errors import PellucidError
from pellucid.graph import Sequential
from pellucid.layers import Conv2d, Flatten, Linear, ReLU
from pellucid.sklearn import ConvNetClassifier, ConvNetRegressor, ConvNetTransformer

PIXELS, LABELS = load_digits(return_X_y=True)
X, TEST_X, Y, TEST_Y = train_test_split(  # shuffled: the writers of the first digits aren't those of the last
    PIXELS / 16, LABELS, train_size=400, test_size=400, random_state=0
)


def small(**settings: Any) -> ConvNetClassifier:
    return ConvNetClassifier(**{"epochs": 20, "batch_size": 32, "rate": 0.003, "random_state": 0} | settings)


def test_images_of_every_layout_give_the_same_bits() -> None:
    images = X.reshape(-1, 8, 8)
    table = small(image_shape=(8, 8)).fit(X, Y)
    assert table.score(TEST_X, TEST_Y) > 0.9
    expected = table.predict_proba(TEST_X)
    for given, settings in ((images, {}), (images[:, None], {}), (images[..., None], {"layout": "NHWC"})):
        shape = given.shape[1:]
        fitted = small(**settings).fit(given, Y)
        np.testing.assert_array_equal(fitted.predict_proba(TEST_X.reshape(-1, *shape)), expected)


def test_tools_of_selection_pipelines_and_calibration() -> None:
    pipe = make_pipeline(StandardScaler(), small())
    assert cross_val_score(pipe, X, Y, cv=3).min() > 0.8
    search = GridSearchCV(small(), {"rate": [1e-6, 1e-2]}, cv=2, n_jobs=2).fit(X, Y)
    assert search.best_params_ == {"rate": 1e-2}
    calibrated = CalibratedClassifierCV(small(), cv=2).fit(X, Y)
    assert calibrated.score(TEST_X, TEST_Y) > 0.85
    features = make_pipeline(
        ConvNetTransformer(epochs=20, rate=0.01, random_state=0), LogisticRegression(max_iter=1000)
    )
    assert features.fit(X, Y).score(TEST_X, TEST_Y) > 0.85


def test_a_copy_a_dump_and_names() -> None:
    names = np.array([f"digit {label}" for label in Y])
    fitted = small().fit(X, names)
    assert fitted.predict(X[:5]).tolist() == names[:5].tolist()
    again = clone(fitted).fit(X, names)
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    for other in (again, joblib.load(file)):
        np.testing.assert_array_equal(other.predict_proba(TEST_X), fitted.predict_proba(TEST_X))


def test_features_are_a_frame_where_that_is_asked_for() -> None:
    pytest.importorskip("pandas")
    features = ConvNetTransformer(epochs=1).set_output(transform="pandas").fit(X, Y).transform(X[:3])
    assert features.shape == (3, 100)
    assert features.columns[0] == "convnettransformer0"


@pytest.mark.parametrize("form", ["csr_matrix", "csc_array", "coo_array"])
def test_a_sparse_table_is_learnt_as_the_same_table_with_its_zeros(form: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense, given = small(epochs=3).fit(X, Y), small(epochs=3).fit(getattr(sparse, form)(X), Y)
    np.testing.assert_array_equal(given.predict_proba(getattr(sparse, form)(TEST_X)), dense.predict_proba(TEST_X))
    features = ConvNetTransformer(epochs=1, random_state=0).fit(sparse.csr_array(X), Y)
    np.testing.assert_array_equal(features.transform(sparse.csr_array(X)), features.transform(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_labels_and_tables_of_pandas_and_polars_are_taken(library: str) -> None:
    frames = pytest.importorskip(library)
    names = [f"digit {label}" for label in Y]
    columns = {f"pixel{i}": X[:, i] for i in range(X.shape[1])}
    fitted = small(epochs=3).fit(frames.DataFrame(columns), frames.Series(names))
    assert list(fitted.feature_names_in_) == list(columns)
    test = frames.DataFrame({name: TEST_X[:, i] for i, name in enumerate(columns)})
    plain = small(epochs=3).fit(X, np.array(names))
    assert fitted.predict(test).tolist() == plain.predict(TEST_X).tolist()


def test_training_goes_on_and_stops_early() -> None:
    parts = small(rate=0.003)
    for _ in range(20):
        parts.partial_fit(X, Y, classes=range(10))
    assert parts.n_epochs_ == 20
    assert parts.score(TEST_X, TEST_Y) > 0.8
    warm = small(warm_start=True, epochs=3).fit(X, Y)
    first = warm.loss_curve_[0]
    assert len(warm.fit(X, Y).loss_curve_) == 6
    assert warm.loss_curve_[3] < first
    early = small(early_stopping=True, epochs=500, patience=3, tolerance=0).fit(X, Y)
    assert early.n_epochs_ < 500
    assert early.n_epochs_ - 1 - int(np.argmin(early.validation_losses_)) == 3


def test_an_own_network_and_several_numbers() -> None:
    own = Sequential(Conv2d(4, 3), ReLU(), Flatten(), Linear(10))
    assert small(network=own, image_shape=(8, 8)).fit(X, Y).score(TEST_X, TEST_Y) > 0.85
    wanted = np.column_stack([X[:, :32].mean(1), X[:, 32:].mean(1)])
    fitted = ConvNetRegressor(epochs=200, rate=0.01, random_state=0).fit(X, wanted)
    assert fitted.predict(X).shape == (400, 2)
    assert fitted.score(X, wanted) > 0.8


@pytest.mark.parametrize(
    ("settings", "given", "said"),
    [
        ({"image_shape": (9, 9)}, X, "image_shape"),
        ({"layout": "HWCN"}, X, "layout"),
        ({"optimizer": "none"}, X, "optimizer"),
        ({"network": Linear(3)}, X, "network"),
        ({}, X.reshape(-1, 2, 2, 4, 4), "expected a table"),
    ],
)
def test_what_does_not_fit_is_one_line(settings: dict[str, Any], given: Any, said: str) -> None:
    with pytest.raises(PellucidError, match=said) as caught:
        small(**settings).fit(given, Y)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(NotFittedError):
        small().predict(X)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda X, y: ConvNetClassifier().fit(X[:, 0], y), "Expected 2D array, got 1D array instead"),
        (lambda X, y: ConvNetClassifier().fit(np.where(X > 0.5, np.nan, X), y), "Input X contains NaN"),
        (lambda X, y: ConvNetClassifier().fit(np.full(X.shape, object()), y), "must be a string or a real number"),
        (lambda X, y: ConvNetRegressor().fit(X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: ConvNetClassifier().predict(X), "not fitted yet"),
        (lambda X, y: ConvNetRegressor(epochs=1).fit(X, y).predict(X[:, :3]), "expecting 4 features"),
    ],
)
def test_a_mistake_is_one_sentence(call: Any, said: str) -> None:
    X, y = np.random.default_rng(0).random((12, 4)), np.arange(12) % 3
    with pytest.raises(PellucidError, match=said) as caught:
        call(X, y)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
