"""One signal sample for every lifetime of φ: flight lengths drawn from a mixture and reweighted.

A sample's proper flight lengths t follow g(t) = Σ_k α_k f(t; cτ_k), a mixture of exponentials f(t; c) = exp(−t/c)/c
and, for c = 0, of φ's that do not fly. The weight f(t; cτ)/g(t) turns it into a sample of any other cτ without bias.
This is the balance heuristic of multiple importance sampling (E. Veach and L. J. Guibas, SIGGRAPH 95, 419); a lifetime
that is a component has weights below 1/α_k. A φ that does not fly is served by that component alone.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from models.errors import LeptophileError
from models.settings import Settings

FloatArray = NDArray[np.float64]


class LifetimeError(LeptophileError):
    """A sample cannot stand for the lifetime that was asked for."""


class LifetimeComponent(Settings):
    """Events of one proper decay length."""

    ctau_mm: float = Field(ge=0.0, allow_inf_nan=False)
    """cτ of φ, zero for prompt."""
    share: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)
    """Relative number of events."""


class LifetimeMixture(Settings):
    """The distribution that proper flight lengths of φ are drawn from."""

    components: tuple[LifetimeComponent, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _components_differ(self) -> "LifetimeMixture":
        lengths = [component.ctau_mm for component in self.components]
        if len(set(lengths)) < len(lengths):
            raise ValueError(f"a decay length is given twice among {lengths} mm")
        return self

    @staticmethod
    def single(ctau_mm: float) -> "LifetimeMixture":
        """Return the distribution of one lifetime.

        >>> LifetimeMixture.single(10.0).mean_mm
        10.0
        """
        return LifetimeMixture(components=(LifetimeComponent(ctau_mm=ctau_mm),))

    @staticmethod
    def pooled(mixtures: Sequence["LifetimeMixture"], n_events: Sequence[float]) -> "LifetimeMixture":
        """Return the distribution of several samples taken together, each with its number of events.

        >>> samples = [LifetimeMixture.single(0.0), LifetimeMixture.single(10.0)]
        >>> LifetimeMixture.pooled(samples, [100, 300]).shares.tolist()
        [0.25, 0.75]
        """
        total: dict[float, float] = {}
        for mixture, n in zip(mixtures, n_events, strict=True):
            for component, share in zip(mixture.components, mixture.shares, strict=True):
                total[component.ctau_mm] = total.get(component.ctau_mm, 0.0) + n * float(share)
        return LifetimeMixture(
            components=tuple(
                LifetimeComponent(ctau_mm=length, share=share) for length, share in sorted(total.items()) if share > 0
            )
        )

    @property
    def ctau_mm(self) -> FloatArray:
        """Decay lengths of the components, shape (n,)."""
        return np.array([component.ctau_mm for component in self.components])

    @property
    def shares(self) -> FloatArray:
        """Fractions of the events that they have, shape (n,), summing to one."""
        shares = np.array([component.share for component in self.components])
        normalised: FloatArray = shares / shares.sum()
        return normalised

    @property
    def mean_mm(self) -> float:
        """Mean proper flight length."""
        return float(self.shares @ self.ctau_mm)

    @property
    def prompt_share(self) -> float:
        """Fraction of φ's that do not fly."""
        return float(self.shares[self.ctau_mm == 0.0].sum())

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return `n` proper flight lengths in mm."""
        component = np.searchsorted(np.cumsum(self.shares)[:-1], rng.random(n), side="right")
        lengths: FloatArray = self.ctau_mm[component] * rng.standard_exponential(n)
        return lengths

    def weights(self, length_mm: FloatArray, ctau_mm: float) -> FloatArray:
        """Return the weights that turn a sample of this distribution into one of a single lifetime.

        Parameters
        ----------
        length_mm
            Proper flight lengths, shape (n,); zero for φ's that did not fly.
        ctau_mm
            Wanted proper decay length, zero for prompt.

        Returns
        -------
        Weights f(t; cτ)/g(t), shape (n,), whose mean over the whole sample is one.

        Raises
        ------
        LifetimeError
            If prompt is wanted and no event is, or the other way round.

        Examples
        --------
        >>> half = LifetimeMixture(components=(LifetimeComponent(ctau_mm=0.0), LifetimeComponent(ctau_mm=5.0)))
        >>> half.weights(np.array([0.0, 3.0]), 5.0).tolist(), half.weights(np.array([0.0, 3.0]), 0.0).tolist()
        ([0.0, 2.0], [2.0, 0.0])
        """
        flies = length_mm > 0.0
        if ctau_mm == 0.0:
            if self.prompt_share == 0.0:
                raise LifetimeError("a signal sample without prompt events cannot stand for a prompt φ")
            return np.where(flies, 0.0, 1.0 / self.prompt_share)
        displaced = self.ctau_mm > 0.0
        if not np.any(displaced):
            raise LifetimeError(f"a prompt signal sample cannot stand for cτ = {ctau_mm:g} mm")
        lengths, shares = self.ctau_mm[displaced], self.shares[displaced]
        # g/f, which overflows only where f vanishes against g and the weight is zero
        with np.errstate(over="ignore"):
            ratio = np.exp(length_mm[:, np.newaxis] * (1.0 / ctau_mm - 1.0 / lengths)) @ (shares * ctau_mm / lengths)
            return np.where(flies, 1.0 / ratio, 0.0)
