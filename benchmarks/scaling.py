"""A model of what more machines bring, fitted to what was measured on one; a prediction, not a measurement.

python -m benchmarks.scaling [--out docs/pictures/scaling.png]

A step on P machines takes the computing of one machine's images and a sum of n bytes over all (Thakur, Rabenseifner,
Gropp 2005, "Optimization of Collective Communication Operations in MPICH", section 4):

    ring  2 (P - 1) (alpha + n / P beta)        2 (P - 1) messages of n / P bytes
    tree  2 ceil(log2 P) (alpha + n beta)       up a binary tree and down again, whole arrays

alpha is the time of a message without content, beta that of a byte; both with what MPI adds, and adding up.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.files import write_whole

MACHINES = [1 << n for n in range(11)]
PARAMETERS = {"0.1 M": 1e5, "1 M": 1e6, "10 M": 1e7, "100 M": 1e8}
BATCH = 128  # images a step on each machine

DEEP_CONVNET, IMAGES_PER_SECOND = 123_552, 5200.0
"""Parameters, and training speed of a machine as that measured, two cores; see docs/distributed.md."""


@dataclass(frozen=True)
class Network:
    """Seconds of a message without content, and of a byte."""

    alpha: float
    beta: float

    def ring(self, machines: int, size: float) -> float:
        """Seconds of a sum of `size` bytes over the machines."""
        return 2 * (machines - 1) * (self.alpha + size / machines * self.beta)

    def tree(self, machines: int, size: float) -> float:
        """As `ring`, along a binary tree."""
        return 2 * math.ceil(math.log2(machines)) * (self.alpha + size * self.beta)

    def best(self, machines: int, size: float) -> float:
        """What an MPI that chooses well takes."""
        return min(self.ring(machines, size), self.tree(machines, size))


TCP = {
    256: 10.8e-6, 1024: 11.0e-6, 4096: 32.6e-6, 16384: 35.5e-6, 65536: 41.0e-6, 262144: 134.3e-6,
    1048576: 400.4e-6, 4194304: 2303.3e-6, 16777216: 15232.9e-6,
}  # fmt: skip
"""Measured: seconds of a sum over two ranks, by bytes, over TCP between two network namespaces of the machine."""

ETHERNET = Network(50e-6, 8 / 1e9)
"""Assumed: a gigabit a second, and 50 microseconds."""


def fit(measured: dict[int, float]) -> Network:
    """For two machines a sum takes 2 alpha + n beta (ring): least squares of the relative errors.

    An error is relative to the geometric mean of both sides, so that half is as wrong as double; since one side is
    the result, the fit is repeated with its own weights until they stay.
    """
    sizes, seconds = np.array(list(measured), float), np.array(list(measured.values()))
    terms, weights = np.stack([np.full_like(sizes, 2), sizes], 1), 1 / seconds
    for _ in range(50):
        found, *_ = np.linalg.lstsq(terms * weights[:, None], seconds * weights)
        weights = 1 / np.sqrt(seconds * (terms @ found))
    return Network(*map(float, found))


def compute(parameters: float) -> float:
    """Seconds of a machine's part of a step: DeepConvNet's, and in proportion to the parameters for another network.

    That takes a network to use each parameter as often on an image as DeepConvNet does, 71 times; ResNet-50 uses
    each 160 times and scales better than is said here, a network of affine layers once, and worse.
    """
    return BATCH / IMAGES_PER_SECOND * parameters / DEEP_CONVNET


def efficiency(network: Network, parameters: float, machines: int) -> float:
    """How much of the machines' computing is left, where each keeps its 128 images (weak scaling)."""
    time = compute(parameters)
    return time / (time + network.best(machines, 4 * parameters))


def draw(networks: dict[str, Network]) -> bytes:
    """PNG: efficiency by the number of machines, a curve for each size of network."""
    import io

    from matplotlib.figure import Figure

    colours = ("#0072B2", "#009E73", "#D55E00", "#CC79A7")  # Okabe, Ito 2008
    figure = Figure(figsize=(9.5, 3.8), dpi=120, layout="constrained")
    for axes, (title, network) in zip(figure.subplots(1, len(networks), sharey=True), networks.items(), strict=True):
        for (name, parameters), colour, marker in zip(PARAMETERS.items(), colours, "os^d", strict=True):
            values = [100 * efficiency(network, parameters, machines) for machines in MACHINES]
            axes.plot(MACHINES, values, color=colour, marker=marker, markersize=4, label=f"{name} parameters")
        axes.set_xscale("log", base=2)
        axes.set_xticks(MACHINES, [f"{machines:,}" for machines in MACHINES])
        axes.set(title=title, xlabel="machines", ylim=(0, 104))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("efficiency (%), predicted")
    figure.axes[0].legend(frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/scaling.png"))
    measured = fit(TCP)
    print(f"fitted: alpha {1e6 * measured.alpha:.1f} us, beta {1e9 * measured.beta:.2f} ns a byte")
    for size, seconds in TCP.items():
        print(f"{size:10,} bytes: measured {1e6 * seconds:8.0f} us, model {1e6 * measured.ring(2, size):8.0f}")
    networks = {"the wire measured here": measured, "1 Gbit/s, 50 µs (assumed)": ETHERNET}
    for title, network in networks.items():
        print(f"\n{title}: predicted efficiency")
        print("parameters", *(f"{machines:>6,}" for machines in MACHINES))
        for name, parameters in PARAMETERS.items():
            print(f"{name:10s}", *(f"{efficiency(network, parameters, machines):6.0%}" for machines in MACHINES))
    write_whole(parser.parse_args().out, draw(networks))


if __name__ == "__main__":
    main()
