"""The signal at any mass: efficiency, resolution and shape, interpolated between generated masses.

Correctly reconstructed candidates are described by the distribution of z = (m − m_φ)/σ(m_φ), which changes
slowly with m_φ; mis-reconstructed ones (a wrong pair) by their distribution in m itself. Both are interpolated
as cumulative distributions, linearly, so that the fractions in any bins add up exactly; efficiency and resolution by
local cubics.

The mass is no input of the classifier, so where the signal region keeps too few candidates to show the shape, that of
all selected candidates stands in for it; the efficiency is always that of the signal region.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat

from models.copies import effective_number, squared_sum
from models.errors import LeptophileError
from models.local_cubic import local_cubic
from models.mass_resolution import resolution_error_gev, resolution_gev
from models.settings import Settings


class SignalShapeSettings(Settings):
    """Description of the signal's shape."""

    minimum_candidates: int = Field(default=20, ge=2)
    """Correct candidates that a generated mass needs to show its resolution and shape."""
    n_quantiles: int = Field(default=257, ge=17)
    """Knots of each stored cumulative distribution."""
    ctau_nodes_mm: tuple[PositiveFloat, ...] = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 50.0, 100.0, 300.0)
    """Decay lengths beside prompt that the signal is modelled at, where its samples fly; between them everything is
    interpolated. 10 and 50 mm are those of the published analysis."""
    minimum_effective: float = Field(default=10.0, gt=0.0)
    """Effective candidates (Σw)²/Σw² that a decay length needs, at its poorest mass, to be modelled."""


class SignalShapeError(LeptophileError):
    """The signal samples do not allow a signal model."""


class SignalSample(NamedTuple):
    """Selected candidates of one generated signal sample, before the requirement on scores."""

    m_phi_gev: float
    """Generated mass."""
    sum_weights: float
    """Sum of weights of all generated events."""
    mass_gev: NDArray[np.float64]
    """Candidate masses m(ℓℓ), shape (n,)."""
    weight: NDArray[np.float64]
    """Weights in the normalisation of `sum_weights`, shape (n,)."""
    is_true: NDArray[np.bool_]
    """Whether the candidate is the φ, shape (n,)."""
    in_signal_region: NDArray[np.bool_]
    """Whether its scores put it into the signal region, shape (n,)."""
    generated: NDArray[np.int64] | None = None
    """Number that copies of one generated event share, shape (n,); None if there are no copies."""

    @property
    def effective_number(self) -> float:
        """(Σw)²/Σw² of the candidates, copies of a generated event summed before they are squared."""
        return effective_number(self.weight, self.generated)

    @property
    def effective_selected(self) -> float:
        """The effective number of the candidates in the signal region."""
        return self.only_signal_region().effective_number

    def only_signal_region(self) -> "SignalSample":
        """Return the sample with the candidates of the signal region alone."""
        rows = self.in_signal_region
        return self._replace(
            mass_gev=self.mass_gev[rows],
            weight=self.weight[rows],
            is_true=self.is_true[rows],
            in_signal_region=rows[rows],
            generated=None if self.generated is None else self.generated[rows],
        )


class Measured(NamedTuple):
    """A number with its statistical uncertainty."""

    value: float
    error: float


@dataclass(frozen=True)
class SignalModel:
    """Signal of one search at one lifetime, on a grid of generated masses.

    There are G masses for the efficiency, S ≤ G with enough candidates for the shape, and K quantile knots.
    """

    mass_gev: NDArray[np.float64]
    """Generated masses, ascending, shape (G,)."""
    efficiency: NDArray[np.float64]
    """Selected fraction of the generated events, shape (G,)."""
    efficiency_error: NDArray[np.float64]
    """Its statistical uncertainty, shape (G,)."""
    shape_mass_gev: NDArray[np.float64]
    """Generated masses with a shape, shape (S,)."""
    sigma_gev: NDArray[np.float64]
    """Mass resolution, shape (S,)."""
    sigma_error_gev: NDArray[np.float64]
    """Its statistical uncertainty (bootstrap), shape (S,)."""
    true_fraction: NDArray[np.float64]
    """Fraction of correct candidates, shape (S,)."""
    effective_candidates: NDArray[np.float64]
    """Effective number of the candidates that show the shape, shape (S,)."""
    from_signal_region: NDArray[np.bool_]
    """Whether those are in the signal region, or else all selected ones, shape (S,)."""
    core_quantiles: NDArray[np.float64]
    """Equidistant quantiles of z of correct candidates, shape (S, K)."""
    tail_quantiles_gev: NDArray[np.float64]
    """Equidistant quantiles of m of wrong candidates, shape (S, K); zeros where there are none."""
    threshold_gev: float = 0.0
    """Mass of two daughters: where φ decays at rest σ(m_φ) vanishes like their velocity."""

    def resolution_gev(self, m_phi_gev: float) -> float:
        """Return σ(m_φ): interpolated over the velocity of the daughters, constant beyond the generated masses."""
        return self.measured_resolution_gev(m_phi_gev).value

    def measured_resolution_gev(self, m_phi_gev: float) -> Measured:
        """Return the same with its uncertainty."""
        nodes = local_cubic(self.shape_mass_gev, m_phi_gev)
        velocity, at = self.velocity(self.shape_mass_gev), float(self.velocity(np.float64(m_phi_gev)))
        slow = self.sigma_gev / velocity
        # Between neighbours that differ much a cubic may swing low, and a resolution has to stay one.
        value = max(nodes.value(slow), float(slow[nodes.node].min()))
        return Measured(value * at, nodes.error(self.sigma_error_gev / velocity) * at)

    @property
    def true_fraction_error(self) -> NDArray[np.float64]:
        """Binomial uncertainty of the fraction of correct candidates, shape (S,)."""
        return np.asarray(np.sqrt(self.true_fraction * (1.0 - self.true_fraction) / self.effective_candidates))

    def velocity(self, mass_gev: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
        """Return the velocity of the daughters in the rest frame of a φ of some mass, shape as `mass_gev`."""
        return np.asarray(np.sqrt(np.maximum(1.0 - (self.threshold_gev / mass_gev) ** 2, 0.0)))

    def efficiency_at(self, m_phi_gev: float) -> Measured:
        """Return the efficiency at a mass, interpolated between generated masses and constant beyond the outermost."""
        nodes = local_cubic(self.mass_gev, m_phi_gev)
        # Next to masses where nothing is selected, a cubic may swing below zero.
        return Measured(max(nodes.value(self.efficiency), 0.0), nodes.error(self.efficiency_error))

    def cumulative(self, m_phi_gev: float, mass_gev: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fraction of selected candidates below each mass, shape as `mass_gev`."""
        low, high, t = neighbours(self.shape_mass_gev, m_phi_gev)
        z = (mass_gev - m_phi_gev) / self.resolution_gev(m_phi_gev)
        result = np.zeros_like(mass_gev)
        for index, share in ((low, 1 - t), (high, t)):
            good = self.true_fraction[index]
            core = _cumulative_of(self.core_quantiles[index], z)
            tail = _cumulative_of(self.tail_quantiles_gev[index], mass_gev)
            result += share * (good * core + (1 - good) * tail)
        return result

    def template_fractions(self, m_phi_gev: float, edges_gev: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fraction of selected candidates in each bin.

        Parameters
        ----------
        m_phi_gev
            Mass of φ.
        edges_gev
            Bin edges, shape (n + 1,).

        Returns
        -------
        Fractions of shape (n,), non-negative; their sum is below one by what lies outside the edges.
        """
        fractions: NDArray[np.float64] = np.diff(self.cumulative(m_phi_gev, edges_gev))
        return fractions

    def effective_candidates_at(self, m_phi_gev: float) -> float:
        """Return the effective number of simulated candidates behind the shape at a mass."""
        return float(np.interp(m_phi_gev, self.shape_mass_gev, self.effective_candidates))


def build_signal_model(
    samples: Sequence[SignalSample],
    settings: SignalShapeSettings | None = None,
    *,
    reference: SignalModel | None = None,
    threshold_gev: float = 0.0,
) -> SignalModel:
    """Measure efficiency, resolution and shape at the generated masses.

    Parameters
    ----------
    samples
        One per generated mass, at one lifetime, in any order.
    settings
        Knots and least number of candidates.
    reference
        The nominal model, when a systematic variation is described: z is then in units of its resolution, and its
        masses are used, so that the two differ by the variation only.
    threshold_gev
        Mass of two daughters of φ.

    Raises
    ------
    SignalShapeError
        If a mass is given twice, a sample has no events, or no mass has enough candidates.
    """
    settings = settings or SignalShapeSettings()
    ordered = sorted(samples, key=lambda sample: sample.m_phi_gev)
    masses = np.array([sample.m_phi_gev for sample in ordered], dtype=np.float64)
    if np.any(np.diff(masses) == 0):
        raise SignalShapeError(f"two signal samples have the mass {masses[1:][np.diff(masses) == 0][0]:.3f} GeV")
    for sample in ordered:
        if not sample.sum_weights > 0:
            raise SignalShapeError(f"the signal sample at {sample.m_phi_gev:.3f} GeV has no generated events")
    chosen = [_shape_candidates(sample, settings, reference) for sample in ordered]
    shaped = [candidates for candidates in chosen if candidates is not None]
    if not shaped:
        raise SignalShapeError(
            f"none of {len(ordered)} signal masses has {settings.minimum_candidates} correct candidates"
        )
    shape_masses = np.array([sample.m_phi_gev for sample in shaped], dtype=np.float64)
    sigmas = (
        np.array([resolution_gev(s.mass_gev[s.is_true], s.weight[s.is_true]) for s in shaped])
        if reference is None
        else reference.sigma_gev
    )
    probabilities = np.linspace(0.0, 1.0, settings.n_quantiles)
    efficiencies = [_efficiency(sample) for sample in ordered]
    return SignalModel(
        mass_gev=masses,
        efficiency=np.array([e.value for e in efficiencies]),
        efficiency_error=np.array([e.error for e in efficiencies]),
        shape_mass_gev=shape_masses,
        sigma_gev=sigmas,
        sigma_error_gev=np.array([_resolution_error_gev(s) for s in shaped])
        if reference is None
        else reference.sigma_error_gev,
        true_fraction=np.array([np.sum(s.weight[s.is_true]) / np.sum(s.weight) for s in shaped]),
        effective_candidates=np.array([s.effective_number for s in shaped]),
        from_signal_region=np.array([bool(np.all(s.in_signal_region)) for s in shaped])
        if reference is None
        else reference.from_signal_region,
        core_quantiles=np.stack(
            [
                weighted_quantiles((s.mass_gev[s.is_true] - s.m_phi_gev) / sigma, s.weight[s.is_true], probabilities)
                for s, sigma in zip(shaped, sigmas, strict=True)
            ]
        ),
        tail_quantiles_gev=np.stack(
            [weighted_quantiles(s.mass_gev[~s.is_true], s.weight[~s.is_true], probabilities) for s in shaped]
        ),
        threshold_gev=threshold_gev,
    )


def with_efficiency_of(model: SignalModel, samples: Sequence[SignalSample]) -> SignalModel:
    """Return a model with the shape of one set of samples and the efficiency of another.

    For signals too rare after selection to show their shape, such as long-lived ones; their few candidates still
    measure how rare they are.
    """
    ordered = sorted(samples, key=lambda sample: sample.m_phi_gev)
    efficiencies = [_efficiency(sample) for sample in ordered]
    return replace(
        model,
        mass_gev=np.array([sample.m_phi_gev for sample in ordered], dtype=np.float64),
        efficiency=np.array([e.value for e in efficiencies]),
        efficiency_error=np.array([e.error for e in efficiencies]),
    )


def _resolution_error_gev(sample: SignalSample) -> float:
    true = sample.is_true
    generated = None if sample.generated is None else sample.generated[true]
    return resolution_error_gev(sample.mass_gev[true], sample.weight[true], generated)


def weighted_quantiles(
    values: NDArray[np.float64], weight: NDArray[np.float64], probabilities: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return weighted quantiles by linear interpolation of the mid-step cumulative distribution; zeros if empty.

    >>> weighted_quantiles(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([0.0, 0.5, 1.0])).tolist()
    [1.0, 2.0, 3.0]
    """
    if len(values) == 0:
        return np.zeros_like(probabilities)
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order]) - 0.5 * weight[order]
    quantiles: NDArray[np.float64] = np.interp(probabilities * np.sum(weight), cumulative, values[order])
    return quantiles


def _shape_candidates(
    sample: SignalSample, settings: SignalShapeSettings, reference: SignalModel | None
) -> SignalSample | None:
    """Return the candidates that show a mass's shape: in the signal region, else all, else none."""
    selected = sample.only_signal_region()
    if reference is not None:
        index = np.flatnonzero(reference.shape_mass_gev == sample.m_phi_gev)
        if len(index) == 0:
            return None
        return selected if reference.from_signal_region[index[0]] else sample
    for candidates in (selected, sample):
        if np.count_nonzero(candidates.is_true & (candidates.weight > 0)) >= settings.minimum_candidates:
            return candidates
    return None


def _efficiency(sample: SignalSample) -> Measured:
    selected = sample.only_signal_region()
    value = np.sum(selected.weight) / sample.sum_weights
    # Variance of a mean of N = sum_weights numbers, w where selected and else zero; binomial for weights of one.
    squares = squared_sum(selected.weight, selected.generated)
    variance = squares / sample.sum_weights**2 - value**2 / sample.sum_weights
    return Measured(float(value), float(np.sqrt(max(variance, 0.0))))


def neighbours(grid: NDArray[np.float64], mass: float) -> tuple[int, int, float]:
    """Return the indices of the grid masses around a mass and its relative position between them."""
    high = int(np.clip(np.searchsorted(grid, mass), 1, max(1, len(grid) - 1))) if len(grid) > 1 else 0
    low = max(0, high - 1)
    if low == high:
        return low, high, 0.0
    return low, high, float(np.clip((mass - grid[low]) / (grid[high] - grid[low]), 0.0, 1.0))


def _cumulative_of(quantiles: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    # Equal knots (ties, or a single candidate) make a step, which np.interp resolves to its upper end.
    probabilities = np.linspace(0.0, 1.0, len(quantiles))
    result: NDArray[np.float64] = np.interp(at, quantiles, probabilities, left=0.0, right=1.0)
    return result
