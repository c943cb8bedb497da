"""What the experiment found: samples over seeds, and comparisons of networks in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pellucid.analysis.depth.cells import Cell, Result, Settings
from pellucid.analysis.depth.families import Member
from pellucid.analysis.depth.statistics import Sample, paired, sample


@dataclass(frozen=True)
class Findings:
    """All results, of whole rounds: each seed has every depth on every part of the data."""

    settings: Settings
    members: Sequence[Member]
    results: Mapping[Cell, Result]

    @property
    def depths(self) -> list[int]:
        """Convolutions of each network, fewest first."""
        return sorted({cell.depth for cell in self.results})

    @property
    def fractions(self) -> list[float]:
        """Parts of the data, smallest first."""
        return sorted({cell.fraction for cell in self.results})

    @property
    def seeds(self) -> list[int]:
        """In order."""
        return sorted({cell.seed for cell in self.results})

    @property
    def title(self) -> str:
        """What all networks have in common, as a phrase."""
        size = f"{self.settings.size:,}"
        if self.settings.budget == "receptive-field":
            return f"Equal receptive field: {size}x{size} pixels a stage"
        return f"Equal budget: {size} {'multiply-adds' if self.settings.budget == 'operations' else 'parameters'}"

    def images(self, fraction: float) -> int:
        """Number of training images of a part."""
        return next(result.images for cell, result in self.results.items() if cell.fraction == fraction)

    def accuracies(self, depth: int, fraction: float) -> list[float]:
        """Seed by seed."""
        return [self.results[Cell(depth, fraction, seed)].accuracy for seed in self.seeds]

    def sample(self, depth: int, fraction: float) -> Sample:
        """Accuracy over the seeds."""
        return sample(self.accuracies(depth, fraction))

    def gain(self, depth: int, fraction: float) -> Sample:
        """Accuracy over that of the shallowest network: same seed, same images."""
        return paired(self.accuracies(self.depths[0], fraction), self.accuracies(depth, fraction))

    def gain_shrinks(self, depth: int) -> Sample:
        """How much larger the gain is with the least data than with the most."""
        least, most = (
            [b - a for a, b in zip(self.accuracies(self.depths[0], f), self.accuracies(depth, f), strict=True)]
            for f in (self.fractions[0], self.fractions[-1])
        )
        return paired(most, least)

    def best_depth(self, fraction: float) -> int:
        """Of the highest mean accuracy."""
        return max(self.depths, key=lambda depth: self.sample(depth, fraction).mean)
