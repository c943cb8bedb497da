"""What a handful of seeds can say: means, deviations, and intervals for differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)  # 97.5 % points, 1 .. 10 degrees of freedom


@dataclass(frozen=True)
class Sample:
    """Some measurements of one thing. deviation: estimated from them (n - 1); NaN for one."""

    mean: float
    deviation: float
    n: int

    @property
    def margin(self) -> float:
        """Half of the mean's 95 % interval (Student's t); infinite for one measurement."""
        return t_quantile(self.n - 1) * self.deviation / math.sqrt(self.n) if self.n > 1 else math.inf

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of 0, else 0."""
        return 0 if abs(self.mean) <= self.margin else int(math.copysign(1, self.mean))


def sample(values: Sequence[float]) -> Sample:
    """Mean and standard deviation of at least one value."""
    n = len(values)
    mean = math.fsum(values) / n
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1)) if n > 1 else math.nan
    return Sample(mean, deviation, n)


def paired(first: Sequence[float], second: Sequence[float]) -> Sample:
    """second - first, of pairs that have all else in common."""
    return sample([b - a for a, b in zip(first, second, strict=True)])


def t_quantile(freedom: int) -> float:
    """97.5 % point of Student's t distribution.

    Above 10 degrees of freedom by Abramowitz, Stegun 1964, 26.7.5, good to 0.001 there.
    """
    if freedom <= len(_T):
        return _T[freedom - 1]
    z = 1.959964
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
