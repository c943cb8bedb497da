"""A layer of one's own, its gradient checked: Swish, x * sigmoid(b x), with a b that is learnt."""

import numpy as np

import pellucid as pl


class Swish(pl.nn.Layer):
    """y = x s, s = sigmoid(b x), for inputs of any shape; b: (1,)."""

    keeps = ("x", "s")

    def build(self, input_shape):
        self.b = pl.nn.Parameter((1,), lambda rng, shape: np.ones(shape))
        return input_shape

    def parameters(self):
        return {"b": self.b}

    def forward(self, x, context=pl.nn.INFERENCE):
        s = 1 / (1 + np.exp(-self.b.value * x))
        self.x, self.s = x, s
        return x * s

    def backward(self, dy):
        inner = dy * self.x * self.s * (1 - self.s)
        self.b.gradient[:] = (inner * self.x).sum()
        return dy * self.s + inner * self.b.value


print(pl.check(Swish(), (3, 4, 4)))
