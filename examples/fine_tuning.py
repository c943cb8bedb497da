"""What a network has learnt of some classes helps it with others: `python examples/fine_tuning.py [epochs] [images]`.

A network learns the digits 0 to 4; its convolutions, frozen, then serve one that learns 5 to 9 from few images.
"""

import sys

import numpy as np

import pellucid as pl
from pellucid.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential

epochs, images = (int(word) for word in (*sys.argv[1:], "2", "10000")[:2])
digits = pl.data.mnist()
X, y = np.asarray(digits.train.inputs)[:images], np.asarray(digits.train.targets)[:images]
first, few = pl.data.arrays(X[y < 5], y[y < 5]), pl.data.arrays(X[y > 4], y[y > 4], test=0.9)


def network():
    return pl.Network(
        Sequential(Conv2d(16), ReLU(), MaxPool2d(2), Conv2d(32), ReLU(), MaxPool2d(2), Flatten(), Linear(5)),
        digits.shape,
    )


taught = pl.fit(network(), first, epochs=epochs).network
tuned = network()
tuned.load_state({**taught.state(), "7.weight": tuned.find("7").weight.value, "7.bias": tuned.find("7").bias.value})
for path in ("0", "3"):
    tuned.group(path, frozen=True)
print("from its own start:", pl.fit(network(), few, epochs=2 * epochs, verbosity=0).evaluate())
print("fine-tuned:        ", pl.fit(tuned, few, epochs=2 * epochs, verbosity=0).evaluate())
