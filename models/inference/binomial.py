"""Fractions of toys with their binomial uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scipy.stats import beta

CENTRAL_68_PERCENT: Final = (0.15865525393145707, 0.8413447460685429)


@dataclass(frozen=True)
class Fraction:
    """A fraction of toys with its central 68 % interval (C. Clopper, E. Pearson, Biometrika 26 (1934) 404)."""

    value: float
    low: float
    high: float
    n_toys: int

    @classmethod
    def of(cls, n_passed: int, n_toys: int) -> Fraction:
        """Return the fraction of toys that passed.

        >>> half = Fraction.of(2, 4)
        >>> half.value, round(half.low, 3), round(half.high, 3)
        (0.5, 0.185, 0.815)
        """
        low, high = CENTRAL_68_PERCENT
        return cls(
            n_passed / n_toys,
            float(beta.ppf(low, n_passed, n_toys - n_passed + 1)) if n_passed else 0.0,
            float(beta.ppf(high, n_passed + 1, n_toys - n_passed)) if n_passed < n_toys else 1.0,
            n_toys,
        )
