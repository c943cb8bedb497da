"""What the door's checks cost: DeepConvNet's answers with every op behind its checks, and without.

`python -m benchmarks.door`
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.measure import Work, alternate, machine
from pellucid import ops
from pellucid.network import Network
from pellucid.ops.half import taking_halves
from pellucid.zoo import create


def main() -> None:
    """One line a batch."""
    network = Network(create("deep-convnet", 10), (1, 28, 28))
    backend = sys.modules[ops.BACKENDS[ops.backend()]]
    checked = {name: getattr(ops, name) for name in backend.__all__}
    unchecked = {name: taking_halves(backend, name) for name in backend.__all__}

    def with_ops(functions: dict[str, Callable[..., Any]], x: Any) -> Work:
        def turn() -> object:
            if ops.relu is not functions["relu"]:
                vars(ops).update(functions)
            return network.forward(x)

        return turn

    print(machine())
    for count in (1, 128):
        x = np.random.default_rng(0).random((count, 1, 28, 28), dtype=np.float32)
        work = {"checked": with_ops(checked, x), "unchecked": with_ops(unchecked, x)}
        found = alternate(work, rounds=41, seconds=0.2)
        lost = found["checked"].median / found["unchecked"].median - 1
        print(f"{count:4} images: {found['checked']} with checks, {found['unchecked']} without: {100 * lost:+.2f} %")
    vars(ops).update(checked)


if __name__ == "__main__":
    main()
