"""A network in scikit-learn's pipeline, its rate searched: `python examples/sklearn_pipeline.py [epochs]`."""

import sys

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from pellucid.sklearn import ConvNetClassifier

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
X_train, X_test, y_train, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
network = ConvNetClassifier(image_shape=(8, 8), epochs=epochs, random_state=0)
pipeline = make_pipeline(MinMaxScaler(), network)
rates = {"convnetclassifier__rate": [1e-3, 4e-3]}
search = GridSearchCV(pipeline, rates, cv=3).fit(X_train, y_train)
print(search.best_params_, f"{search.score(X_test, y_test):.1%} of the test images are right")
