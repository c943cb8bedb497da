"""What answers for a network: plans, kept by the shape of the batch as long as its weights stay as they are.

answer = answering(network)      # once a pass over images: looks whether the weights have changed
for x in batches:
    y = answer(x)
"""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Executor, fuse
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.half import is_half
from pellucid.plan.folded import Folded
from pellucid.plan.integer_network import AnyNetwork
from pellucid.plan.plan import Memory, Plan, narrowed, widened

MOST = 16
"""Plans kept for a network. They share its packed weights and one block of memory: each by itself is small."""

CHUNK = 1 << 13  # numbers that are weighed together


class Answers:
    """A network's outputs for batches of any shape, in inference; a list where it has several.

    name: of a layer in it whose output is wanted instead of the network's. On a backend with arrays of its own the
    layers answer; in float64, or without compiled steps, the folded layers do, a network in 16 bits widened once.
    """

    def __init__(self, network: Network, name: str | None = None) -> None:
        self._network = weakref.ref(network)  # it may be forgotten while its plans are known
        self._value = None if name is None else _value(network, name)
        self.nodes = network.nodes if self._value is None else network.nodes.leading_to(self._value)
        self._lock = threading.RLock()
        self._memory = Memory()
        self._plans: OrderedDict[tuple[Shape, int], Plan] = OrderedDict()
        self._folded: Folded | None = None
        self._executor: Executor | None = None
        self._seen: bytes = b""
        self.refresh()

    @property
    def network(self) -> Network:
        """The network that they are made from."""
        network = self._network()
        if network is None:
            raise PellucidError("answers: expected the network to be there, it has been deleted")
        return network

    def __getstate__(self) -> None:
        """Raises PellucidError: plans lie in memory of their own, and belong to the network they are known with."""
        raise PellucidError("answers: expected to stay with their network; of a copy of it, answering() makes others")

    def refresh(self) -> None:
        """Forget all plans if the network's weights have changed since they were made."""
        network = self.network
        if not isinstance(network.vector, np.ndarray):
            return
        with self._lock:
            now = fingerprint(network.vector) + fingerprint(network.statistics)
            if now != self._seen:
                self._plans.clear()
                self._folded = self._executor = None
                self._seen = now

    def __call__(self, x: Array) -> Any:
        """The outputs for a batch (N, *input_shape); images may have another size where the network allows it.

        Raises PellucidError as `Network.forward` does.
        """
        network = self.network
        if type(x) is not np.ndarray:
            x = ops.array(x)
        if not self._seen or x.dtype != network.dtype or x.ndim != len(network.input_shape) + 1 or x.size == 0:
            return self._layers(network, x)
        if network.dtype != np.float64 and ops.steps() is not None:
            return self._plan(x.shape)(x)
        with self._lock:
            if self._executor is None:
                self._executor = Executor(fuse(self._folding().nodes, network.input_shape))
        return narrowed(self._executor.forward(widened(x)), x.dtype)

    def _layers(self, network: Network, x: Array) -> Any:
        if self.nodes is network.nodes:
            return network.forward(x)
        return Executor(self.nodes).forward(ops.array(x))

    def _folding(self) -> Folded:
        if self._folded is None:
            self._folded = Folded(self.network, self._value)
        return self._folded

    def _plan(self, shape: Shape) -> Plan:
        key = (shape, ops.threads())
        with self._lock:
            plan = self._plans.pop(key, None)
            if plan is None:
                plan = Plan(self.network, shape, folded=self._folding(), block=self._memory)
            self._plans[key] = plan
            while len(self._plans) > MOST:
                self._plans.popitem(last=False)
            return plan


def _value(network: Network, name: str) -> str:
    """The value that a layer or a container of that name gives."""
    group = next((group for group in network.nodes.groups if group.name == name), None)
    return name if group is None else group.outputs[0]


_known: weakref.WeakKeyDictionary[Network, dict[str | None, Answers]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


@checked
def answering(network: AnyNetwork, name: str | None = None) -> Callable[[Array], Any]:
    """What answers for a network as it is now, kept with it for the next time; name: see `Answers`.

    To be asked for once a pass over images: weights that change later are noticed when it is asked for again.
    """
    if not isinstance(network, Network):
        return network.forward
    with _lock:
        kept = _known.setdefault(network, {})
        found = kept.get(name)
        if found is None:
            found = kept[name] = Answers(network, name)
            return found
    found.refresh()
    return found


def fingerprint(values: Array) -> bytes:
    """A short mark of an array (n,) of floats, which another content hardly has.

    The sum of all bits changes with any single number, the weighed sums with the order of the numbers.
    """
    whole = len(values) // CHUNK * CHUNK
    words = {2: np.uint16, 4: np.uint32, 8: np.uint64}[values.itemsize]
    bits = values.view(words).sum(dtype=np.uint64)
    values = ops.widen(values) if is_half(values.dtype) else values
    weights = np.random.default_rng(0).standard_normal(CHUNK).astype(values.dtype)
    with np.errstate(all="ignore"):
        sums = values[:whole].reshape(-1, CHUNK) @ weights
        rest = values[whole:] @ weights[: len(values) - whole]
    return hashlib.blake2b(sums.tobytes() + rest.tobytes() + bits.tobytes(), digest_size=16).digest()
