"""A convolutional network reads handwritten digits: `python examples/mnist.py [epochs] [images]`."""

import sys
from dataclasses import replace

import pellucid as pl
from pellucid.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential

epochs, images = (int(word) for word in (*sys.argv[1:], "2", "60000")[:2])
data = pl.data.mnist()
data = replace(data, train=data.train.subset(range(images)))
layers = Sequential(Conv2d(16), ReLU(), MaxPool2d(2), Conv2d(32), ReLU(), MaxPool2d(2), Flatten(), Linear(10))
network = pl.Network(layers, data.shape)
print(network)
run = pl.fit(network, data, optimizer=pl.optim.Adam(2e-3), schedule=pl.optim.OneCycle(), epochs=epochs)
print(run.evaluate())
print(run.model.predict(data.test.inputs[:5]))
run.model.save("digits.safetensors")
