"""Pellucid: convolutional networks in which every step can be read, checked and seen.

    import pellucid as pl

    data = pl.data.mnist()
    net = pl.Network(pl.nn.Sequential(pl.nn.Conv2d(16), pl.nn.ReLU(), pl.nn.Flatten(), pl.nn.Linear(10)), data.shape)
    run = pl.fit(net, data, optimizer=pl.optim.Adam(1e-3), epochs=5)
    run.evaluate(), run.model.predict("seven.png"), run.model.save("digits.safetensors")

Names are loaded when they are first used, so that importing the package costs next to nothing.
"""

import importlib

__version__ = "0.2.0"

TYPE_CHECKING = False  # as typing has it, whose import takes longer than all the rest

if TYPE_CHECKING:
    from pellucid import data, nn, optim, zoo
    from pellucid.errors import PellucidError
    from pellucid.front.check import check
    from pellucid.front.fit import Run, fit
    from pellucid.front.model import Model, load
    from pellucid.network import Network
    from pellucid.training import callbacks

_HOMES = {
    "Model": "pellucid.front.model",
    "Network": "pellucid.network",
    "PellucidError": "pellucid.errors",
    "Run": "pellucid.front.fit",
    "callbacks": "pellucid.training",
    "check": "pellucid.front.check",
    "fit": "pellucid.front.fit",
    "load": "pellucid.front.model",
}
_MODULES = ("data", "nn", "optim", "zoo")

__all__ = [
    "Model",
    "Network",
    "PellucidError",
    "Run",
    "callbacks",
    "check",
    "data",
    "fit",
    "load",
    "nn",
    "optim",
    "zoo",
]


if not TYPE_CHECKING:  # type checkers see the names above, and no others

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return importlib.import_module(f"pellucid.{name}")
        if name not in _HOMES:
            raise AttributeError(f"module 'pellucid' has no attribute {name!r} (there are {', '.join(__all__)})")
        home = importlib.import_module(_HOMES[name])
        found = importlib.import_module("pellucid.training.callbacks") if name == "callbacks" else getattr(home, name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
