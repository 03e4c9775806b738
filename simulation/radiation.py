"""How much a fermion pair radiates, before or after it annihilates, and at what angle.

The energy spectrum is the leading-logarithmic radiator with soft photons exponentiated (E. A. Kuraev and
V. S. Fadin, Sov. J. Nucl. Phys. 41, 466 (1985)),

    f(v) = β v^(β−1) (1 − v + v²/2),   β = (2α/π) (ln(s/m²) − 1),

times the cross-section at the reduced energy s(1 − v); the angle to the pair's axis follows the first-order
matrix element (G. Bonneau and F. Martin, Nucl. Phys. B 27, 381 (1971)). One photon carries all of v, which
leaves out the interference of radiation before and after the annihilation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV
from simulation.configuration import RadiationSettings

FloatArray = NDArray[np.float64]


def radiation_strength(s_gev2: ArrayLike, mass_gev: float) -> FloatArray:
    """Return β, the number of photons a pair of mass `mass_gev` radiates per unit of ln v.

    >>> round(float(radiation_strength(10.58**2, 0.51099895e-3)), 4)
    0.0877
    """
    return np.asarray(2.0 * ALPHA_EM / np.pi * (np.log(np.asarray(s_gev2) / mass_gev**2) - 1.0))


class RadiationSpectrum(NamedTuple):
    """Tabulated distribution of the radiated fraction v = 1 − s'/s."""

    log_fraction: FloatArray
    """ln v of the table's nodes."""
    cumulative: FloatArray
    """Probability to radiate less than that, from the soft limit to one."""
    integral: float
    """∫ f(v) σ(s(1 − v))/σ(s) dv: the correction to the cross-section without radiation."""

    def probability_above(self, fraction: float) -> float:
        """Return the probability of radiating more than `fraction`."""
        return float(1.0 - np.interp(np.log(fraction), self.log_fraction, self.cumulative))

    def sample(
        self, n: int, rng: np.random.Generator, *, above: float | None = None, below: float | None = None
    ) -> FloatArray:
        """Return `n` radiated fractions between two bounds; those below the table's first node are zero."""
        lowest = 0.0 if above is None else 1.0 - self.probability_above(above)
        highest = 1.0 if below is None else 1.0 - self.probability_above(below)
        uniform = rng.uniform(lowest, highest, n)
        fraction = np.exp(np.interp(uniform, self.cumulative, self.log_fraction))
        return np.where(uniform > self.cumulative[0], fraction, 0.0)


def initial_state_spectrum(
    s_gev2: float,
    fraction_max: float,
    reduced_cross_section: Callable[[FloatArray], FloatArray],
    settings: RadiationSettings,
) -> RadiationSpectrum:
    """Return the distribution of the fraction of s that the colliding electrons radiate.

    Parameters
    ----------
    s_gev2
        Squared centre-of-mass energy.
    fraction_max
        Largest v that leaves enough energy for the final state.
    reduced_cross_section
        σ(s(1 − v))/σ(s) as a function of v.
    settings
        Softest photon that is followed, and the size of the table.
    """
    strength = float(radiation_strength(s_gev2, ELECTRON_MASS_GEV))
    return _spectrum(strength, fraction_max, reduced_cross_section, settings)


def final_state_spectrum(s_gev2: float, fermion_mass_gev: float, settings: RadiationSettings) -> RadiationSpectrum:
    """Return the distribution of the fraction of its squared mass that a pair of fermions radiates."""
    return _spectrum(float(radiation_strength(s_gev2, fermion_mass_gev)), 1.0, np.ones_like, settings)


def _spectrum(
    strength: float,
    fraction_max: float,
    reduced_cross_section: Callable[[FloatArray], FloatArray],
    settings: RadiationSettings,
) -> RadiationSpectrum:
    nodes = np.linspace(np.log(settings.fraction_min), np.log(fraction_max), settings.table_points)
    middle = np.exp(0.5 * (nodes[1:] + nodes[:-1]))
    density = strength * middle**strength * (1.0 - middle + 0.5 * middle**2) * reduced_cross_section(middle)
    # Below the first node every factor but v^(β−1) is one, and that one integrates exactly.
    soft = settings.fraction_min**strength
    cumulative = soft + np.concatenate([[0.0], np.cumsum(density * np.diff(nodes))])
    return RadiationSpectrum(nodes, cumulative / cumulative[-1], float(cumulative[-1]))


def sample_photon_cosine(
    fraction: FloatArray, s_gev2: ArrayLike, mass_gev: float, rng: np.random.Generator
) -> FloatArray:
    """Return the cosine between the photon and the radiating pair's axis, in the frame where it annihilates.

    The density is ∝ [sin²θ − v² sin⁴θ / (2(v² − 2v + 2))] / (1 − β² cos²θ)² (Bonneau and Martin, eq. 17, without
    terms of order m²/s), drawn from 1/(1 − β² cos²θ) by rejection.

    Parameters
    ----------
    fraction
        Radiated energy fractions v, shape (n,).
    s_gev2
        Squared mass of the pair before radiating, in GeV², a number or shape (n,).
    mass_gev
        Mass of the radiating fermion.
    rng
        Random stream.
    """
    mass_ratio = np.broadcast_to(4.0 * mass_gev**2 / np.asarray(s_gev2, dtype=np.float64), fraction.shape)
    velocity = np.sqrt(1.0 - mass_ratio)
    # artanh β without the digits lost in 1 − β
    rapidity = np.log((1.0 + velocity) / np.sqrt(mass_ratio))
    suppression = fraction**2 / (2.0 * (fraction**2 - 2.0 * fraction + 2.0))
    cosine = np.zeros_like(fraction)
    pending = np.arange(len(fraction))
    while len(pending):
        # y = tanh(η)/β, with 1 − β²y² = 1/cosh²η and sin² = 1 − y²
        eta = rng.uniform(-1.0, 1.0, len(pending)) * rapidity[pending]
        trial = np.tanh(eta) / velocity[pending]
        inverse = np.cosh(eta) ** 2
        # 1 − y² = (1/cosh²η − m²-ratio)/β², again without cancellation near the axis
        sine2 = np.maximum(1.0 / inverse - mass_ratio[pending], 0.0) / velocity[pending] ** 2
        accept = rng.uniform(size=len(pending)) < sine2 * inverse * (1.0 - suppression[pending] * sine2)
        cosine[pending[accept]] = trial[accept]
        pending = pending[~accept]
    return np.clip(cosine, -1.0, 1.0)
