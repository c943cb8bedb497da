"""Our classifier beside scikit-learn's MLPClassifier: time to fit, and accuracy, on its digits and on MNIST.

    python -m benchmarks.sklearn_mlp [digits] [mnist]

Both have one hidden layer of 100 ReLUs, the same batches and Adam; each its own defaults for the rest. Ours is fitted
for the same number of epochs, and for as few as give at least the same accuracy: its learning rate and first weights
are others. Rounds alternate, so that whatever else the machine does falls on both; the fastest of each counts.
"""

from __future__ import annotations

import sys
import time
import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from pellucid.data import load_mnist
from pellucid.ops.arrays import Array
from pellucid.sklearn import ConvNetClassifier

Split = tuple[Array, Array, Array, Array]


def digits() -> Split:
    """1,797 digits of 8x8; a quarter for the test."""
    X, y = load_digits(return_X_y=True)
    X, test_X, y, test_y = train_test_split(np.float32(X / 16), y, random_state=0)
    return X, y, test_X, test_y


def mnist() -> Split:
    """60,000 digits of 28x28, and 10,000 for the test."""
    (X, y), (test_X, test_y) = load_mnist()
    return X, y, test_X, test_y


SETS: dict[str, tuple[Any, int, int, int, int]] = {
    "digits": (digits, 30, 12, 200, 5), "mnist": (mnist, 3, 2, 200, 2),
}  # fmt: skip
"""Data, epochs, those that ours needs, samples a batch, rounds."""


def compare(name: str) -> None:
    """Fit both in turns, and print what came of it."""
    load, epochs, few, batch, rounds = SETS[name]
    X, y, test_X, test_y = load()
    ours = partial(ConvNetClassifier, epochs=epochs, batch_size=batch, dtype="float32")
    theirs = partial(MLPClassifier, max_iter=epochs, batch_size=batch)
    ways = {  # NumPy's matrix products on all cores, and on one, which is faster for small ones or on busy cores
        "MLPClassifier": (theirs, None),
        "MLPClassifier, 1 thread": (theirs, 1),
        "ConvNetClassifier": (ours, None),
        f"ConvNetClassifier, {few} epochs": (partial(ours, epochs=few), None),
    }
    ours(epochs=1).fit(X[:400], y[:400])  # kernels are compiled once, and kept
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    scores: dict[str, list[float]] = {way: [] for way in ways}
    for seed in range(rounds):
        for way, (make, threads) in ways.items():
            with threadpool_limits(threads):
                started = time.perf_counter()
                fitted = make(random_state=seed).fit(X, y)
                seconds[way].append(time.perf_counter() - started)
            scores[way].append(fitted.score(test_X, test_y))
    best = {way: min(taken) for way, taken in seconds.items()}
    for way, taken in best.items():
        print(f"{name:8} {way:28} {taken:7.3f} s  accuracy {100 * np.mean(scores[way]):6.2f} %")
    *others, own, least = best.values()
    times = f"{min(others) / own:.2f} times as fast with as many, {min(others) / least:.2f} with {few}"
    print(f"{name:8} {times}; {epochs} epochs of {batch}, {rounds} seeds", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    for given in sys.argv[1:] or SETS:
        compare(given)
