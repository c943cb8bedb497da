"""Networks as scikit-learn's estimators: a classifier, a regressor, and a transformer whose features are a layer's.

Needs scikit-learn (the extra `sklearn`).
"""

from pellucid.sklearn.classifier import ConvNetClassifier
from pellucid.sklearn.regressor import ConvNetRegressor
from pellucid.sklearn.transformer import ConvNetTransformer

__all__ = ["ConvNetClassifier", "ConvNetRegressor", "ConvNetTransformer"]
