"""The front door with odd data: pl.data.arrays, pl.fit, predictions of odd pictures, files, estimators."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

import pellucid as pl
from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.sklearn import ConvNetClassifier, ConvNetRegressor, ConvNetTransformer
from robustness.op_calls import ODD

NAN, INF = float("nan"), float("inf")
SMALL = 24  # samples at most
MOST_EPOCHS = 9


class FrontCalls:
    """What somebody types who has an array, a picture or a folder, and hasn't read everything."""

    name = "front"

    def attempt(self, draw: Random) -> None:
        """A few calls that depend on each other. Raises whatever they raise."""
        self.call = ""
        with tempfile.TemporaryDirectory() as folder, ops.use_backend("numpy"):
            before = Path.cwd()
            os.chdir(folder)
            try:
                draw.choice([self._trains, self._trains, self._estimates])(draw)
            finally:
                os.chdir(before)

    def _trains(self, draw: Random) -> None:
        X, y = _samples(draw)
        X, y = (X, y) if draw.random() < 0.75 else _odd_pair(X, y, draw)
        given: dict[str, Any] = {}
        if draw.random() < 0.12:
            given["layout"] = draw.choice(["NCHW", "NHWC", None, "x", 3])
        if draw.random() < 0.2:
            given["test"] = draw.choice([0.2, 0.5, 1, 5, (X, y), 0, -1, 1.0, NAN, "x", 1e9, (X,), None])
        if draw.random() < 0.15:
            given["validation"] = draw.choice([0, 0.2, 3, 1.0, NAN, -0.5, "x", True, 1 << 70])
        if draw.random() < 0.1:
            given["class_names"] = draw.choice([["a", "b"], ["a", "a"], [], "ab", [1, 2], None, ["\x00", "é\n"], {}])
        self.call = f"arrays({_shown(X)}, {_shown(y)}, { {key: _shown(one) for key, one in given.items()} })"
        data = pl.data.arrays(X, y, **given)
        classes = max(1, len(data.class_names))
        network = pl.Network(_layers(data.shape, classes, draw), data.shape, dtype=draw.choice(
            [np.float32, np.float32, np.float64, np.float16]))  # fmt: skip
        if draw.random() < 0.7:
            network = pl.Network(_layers(data.shape, classes, draw), data.shape)
        settings = _settings(draw)
        self.call += f"; fit({network.layer!r}, {settings})"
        run = pl.fit(network, data, **{"verbosity": 0, "epochs": 1, "batch_size": 8, **settings})
        assert run.history
        run.evaluate()
        self._asks(run.model, X, draw)

    def _asks(self, model: Any, X: Any, draw: Random) -> None:
        """The trained model, and what comes back of its file, of odd pictures."""
        for _ in range(2):
            images = _pictures(X, model.image_shape, draw)
            self.call += f"; predict({_shown(images)})"
            try:
                found = model.predict(images)
            except PellucidError as error:
                assert str(error).isprintable(), repr(str(error))
                continue
            assert repr(found)
        rows = np.random.default_rng(draw.randrange(99)).random((3, *model.image_shape))
        path: Any = draw.choice([Path("m.safetensors"), "m.safetensors", b"m.safetensors", "m.onnx",
                                 "sub/m.safetensors",
                            "m", "", None, "\x00"])  # fmt: skip
        self.call += f"; save({path!r})"
        try:
            model.save(path)
        except PellucidError as error:
            assert str(error).isprintable(), repr(str(error))
            return
        back = pl.load(path)
        np.testing.assert_allclose(
            np.asarray(back.outputs(rows), np.float64),
            np.asarray(model.outputs(rows), np.float64),
            atol=2e-2,
            rtol=2e-2,
        )

    def _estimates(self, draw: Random) -> None:
        X, y = _samples(draw)
        X, y = (X, y) if draw.random() < 0.5 else _odd_pair(X, y, draw)
        kind = draw.choice([ConvNetClassifier, ConvNetRegressor, ConvNetTransformer])
        options: dict[str, Any] = {"epochs": 1}
        names = list(kind().get_params())
        for _ in range(draw.choice([0, 0, 1, 2])):
            options[draw.choice(names)] = draw.choice(ODD)
        if isinstance(options["epochs"], int) and options["epochs"] > MOST_EPOCHS:  # which would be trained
            del options["epochs"]
        weight = draw.choice([None, None, None, np.ones(_length(X)), "x", [NAN], -1])
        shown = {key: _shown(one) for key, one in options.items()}
        self.call = f"{kind.__name__}({shown}).fit({_shown(X)}, {_shown(y)}, {_shown(weight)})"
        estimator = kind(**options)
        estimator.fit(X, y) if weight is None else estimator.fit(X, y, sample_weight=weight)
        self.call += f"; predict; score {_shown(X)}"
        ask = estimator.transform if kind is ConvNetTransformer else estimator.predict
        assert len(np.asarray(ask(X))) == len(X)
        if kind is not ConvNetTransformer:
            estimator.score(X, y)
        ask(_odd_pair(X, y, draw)[0])


def _samples(draw: Random) -> tuple[Any, Any]:
    """Images or rows, and targets, that belong together."""
    count = draw.randint(8, SMALL)
    source = np.random.default_rng(draw.randrange(1 << 30))
    shape = draw.choice([(count, 6, 6), (count, 6, 6, 3), (count, 3, 6, 5), (count, 1, 8, 8), (count, 5), (count, 1)])
    X: Any = source.integers(0, 256, shape).astype(np.uint8)
    if draw.random() < 0.5:
        X = (X / 255).astype(draw.choice([np.float32, np.float64, np.float16]))
    classes = draw.randint(2, 4)
    y: Any = np.arange(count) % classes
    source.shuffle(y)
    kind = draw.randrange(7)
    if kind == 1:
        y = np.array(["a", "b", "c", "d"])[y]
    elif kind == 2:
        y = source.standard_normal(count)
    elif kind == 3:
        y = source.standard_normal((count, 2)).astype(np.float32)
    elif kind == 4:
        y = y.tolist()
    elif kind == 5 and len(shape) == 3:
        y = source.integers(0, 2, shape).astype(np.uint8)
    elif kind == 6:
        y = y == 0
    return X, y


def _odd_pair(X: Any, y: Any, draw: Random) -> tuple[Any, Any]:
    """One of the two otherwise."""
    if draw.random() < 0.5:
        return _odd(X, draw), y
    return X, _odd(y, draw)


def _odd(values: Any, draw: Random) -> Any:
    """Arrays of odd types, layouts and sizes, and things that are no arrays."""
    if draw.random() < 0.15:
        return draw.choice(ODD)
    x = np.asarray(values)
    wide = x.astype(np.float64) if x.dtype.kind in "biuf" else np.zeros(x.shape)

    def with_value(value: float) -> Any:
        changed = wide.copy()
        changed.reshape(-1)[:1] = value
        return changed

    changes: list[Any] = [
        lambda: x[:0], lambda: x[:1], lambda: x[..., :0], lambda: x[:-1], lambda: x[None], lambda: x.reshape(-1),
        x.tolist, lambda: tuple(x.tolist()), lambda: x.astype(object), lambda: x.astype(str),
        lambda: x.astype(bytes), lambda: wide.astype(complex), lambda: wide.astype(bool),
        lambda: wide.astype(np.int8),
        lambda: wide.astype(np.uint16), lambda: wide.astype(">f8"), lambda: wide.astype(">i4"),
        lambda: wide.astype("datetime64[s]"), lambda: wide.astype("timedelta64[s]"),
        lambda: wide.astype(np.longdouble),
        lambda: np.ma.masked_array(wide, wide > 0.5), lambda: np.asfortranarray(x),
        lambda: x[::-1], lambda: x[..., ::-1],
        lambda: np.broadcast_to(x[:1], x.shape), lambda: with_value(NAN), lambda: with_value(INF),
        lambda: with_value(1e300), lambda: with_value(-1), lambda: with_value(1e-320), lambda: with_value(2.0**63),
        lambda: np.zeros(x.shape, [("a", "f4"), ("b", "i4")]), lambda: np.repeat(x, 2, 0),
        lambda: [None, *x.tolist()[1:]], lambda: iter(x), lambda: {"x": x}, lambda: np.zeros_like(wide),
        lambda: wide.astype(np.float32) * 1e38, lambda: np.full(x.shape, x.reshape(-1)[:1]),
        lambda: memoryview(bytes(9)),
        lambda: [[1], [1, 2]], lambda: np.array(["a", None, 3.0] * 8, object), lambda: x.astype("S3").tolist(),
        lambda: np.datetime64("2024-01-01") + np.arange(len(x)),
    ]  # fmt: skip
    return draw.choice(changes)()


def _pictures(X: Any, shape: tuple[int, ...], draw: Random) -> Any:
    """What predict may be given: files, pictures, arrays."""
    file = Path("p.png")
    mode = draw.choice(["L", "RGB", "RGBA", "P", "1", "I;16", "F", "CMYK", "LA"])
    size = draw.choice([(6, 6), (1, 1), (200, 3), (13, 40)])
    picture = Image.new(mode, size)
    if mode not in {"F", "CMYK"}:
        picture.save(file)
    ways: list[Any] = [
        lambda: picture, lambda: [picture], lambda: str(file), lambda: [file, picture], lambda: [],
        lambda: "nowhere.png",
        lambda: X, lambda: X[0], lambda: _odd(X, draw), lambda: np.zeros(shape), lambda: np.zeros((2, *shape)),
        lambda: np.zeros((2, *shape), np.uint8), lambda: np.zeros((0, *shape)), lambda: np.full(shape, NAN),
        lambda: np.zeros(shape, object), lambda: draw.choice(ODD), lambda: [np.zeros(shape)] * 2,
        lambda: np.zeros((2, *shape[::-1])), lambda: (picture,), lambda: (p for p in [picture]),
    ]  # fmt: skip
    return draw.choice(ways)()


def _layers(shape: tuple[int, ...], outputs: int, draw: Random) -> Any:
    nn = pl.nn
    outputs = outputs if draw.random() < 0.95 else draw.randint(1, 3)
    if len(shape) == 1:
        return nn.Sequential(nn.Linear(4), draw.choice([nn.ReLU, nn.Tanh])(), nn.Linear(outputs))
    body = [nn.Conv2d(4, 3, padding=1), draw.choice([nn.BatchNorm2d, nn.Identity])(), nn.ReLU()]
    head = [nn.Conv2d(outputs, 1)] if draw.random() < 0.2 else [nn.GlobalAvgPool2d(), nn.Linear(outputs)]
    return nn.Sequential(*body, *head)


def _settings(draw: Random) -> dict[str, Any]:
    """Arguments of fit, a few of them, most of them sensible."""
    optim, odd = pl.optim, draw.random() < 0.2
    sensible: dict[str, list[Any]] = {
        "epochs": [1, 2, 0.5], "batch_size": [1, 7, 8, 1000], "seed": [0, 5], "clip": [0.0, 1.0],
        "ema": [0.0, 0.9], "optimizer": [optim.Adam(1e-3), optim.Momentum(0.1), optim.SGD(1e-2), optim.AdamW(1e-3)],
        "task": ["classify", "regress", "segment", None], "metrics": [["f1"], ("precision", "recall"), []],
        "folder": ["run", Path("a/b"), None], "mean": [(0.5,), (0.5, 0.5, 0.5)], "std": [(0.2,), (0.1, 0.2, 0.3)],
        "callbacks": [[], [lambda trainer, record: None], [pl.callbacks.EarlyStopping(1)]],
        "augmentation": [pl.data.Augmentation(shift=1), None], "name": ["x", "a b"], "verbosity": [0],
    }  # fmt: skip
    chosen = draw.sample(sorted(sensible), draw.randint(0, 3))
    return {key: draw.choice(ODD) if odd and draw.random() < 0.5 else draw.choice(sensible[key]) for key in chosen}


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        return 1


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}"
    return f"{type(value).__name__} {value!r}"[:120]
