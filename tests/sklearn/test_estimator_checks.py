"""Every check that scikit-learn has for an estimator, none of them expected to fail."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import estimator_checks_generator

from pellucid.sklearn import ConvNetClassifier, ConvNetRegressor, ConvNetTransformer

CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.func.__name__}-{number}")
    for made in (ConvNetClassifier(), ConvNetRegressor(), ConvNetTransformer())
    for number, (estimator, check) in enumerate(estimator_checks_generator(made))
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_estimator(estimator: Any, check: "partial[Callable[..., None]]") -> None:
    check(estimator)
