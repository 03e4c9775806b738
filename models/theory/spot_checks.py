"""Second integrations of the shipped cross-sections: `python -m models.theory.spot_checks [--points N]` prints a table.

Nothing but the matrix elements is shared with the integrations that made the tables, and for the signal not even that:
|M|² is that of the traces. Phase space is a chain of two-body decays in plain variables, invariant masses and angles,
which VEGAS samples.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import GEV_M2_TO_FB, TAU_MASS_GEV
from models.kinematics import boost_from_rest_frame, two_body_momentum, unit_vector
from models.search import Channel
from models.theory.configuration import CollisionSettings
from models.theory.cross_section import cross_section_fb
from models.theory.four_lepton import FourLeptons, four_lepton_weights
from models.theory.four_lepton_cross_section import HEAVY_ELECTRONS_GEV, four_lepton_cross_section
from models.theory.initial_state_radiation import hard_radiation, radiator_exponent, soft_virtual_factor
from models.theory.matrix_element import helicity_weights, scalar_radiation_amplitudes
from models.theory.trace_evaluation import traced_helicity_weights
from models.theory.vegas import Estimate, integrate

FloatArray = NDArray[np.float64]

SIGNAL_MASSES_GEV: Final = (0.04, 0.21, 1.0, 3.0, 6.0)
_BLOCK: Final = 20_000
"""Points at a time; traces keep large intermediate arrays."""
_ALONG_BEAM: Final = 6.0
"""Pairs are sampled to this pseudorapidity and linearly in the cosine beyond (1 − cos θ of 10⁻⁵)."""


class SpotCheck(NamedTuple):
    """One cross-section integrated a second time."""

    name: str
    tabulated_fb: float
    tabulated_relative_error: float
    second: Estimate
    """In fb."""

    @property
    def pull(self) -> float:
        """Difference over both errors."""
        error = np.hypot(self.second.error, self.tabulated_relative_error * self.tabulated_fb)
        return float((self.second.value - self.tabulated_fb) / error)


def signal_cross_section(m_phi_gev: float, rng: np.random.Generator, *, n_points: int, isr: bool = False) -> Estimate:
    """Integrate σ(e⁺e⁻ → τ⁺τ⁻φ) at ξ = 1 in fb through the masses of τφ.

    Parameters
    ----------
    m_phi_gev
        Mass of φ.
    rng
        Random stream.
    n_points
        Points of an iteration.
    isr
        Whether the beams radiate; |M|² is then that of the helicity amplitudes, which take an energy for each event.
    """
    sqrt_s = CollisionSettings().sqrt_s_gev
    threshold = 2.0 * TAU_MASS_GEV + m_phi_gev

    def integrand(cube: FloatArray) -> FloatArray:
        factor, energy = _radiated(cube[:, 5], sqrt_s, threshold) if isr else (1.0, np.full(len(cube), sqrt_s))
        # D = m²(τφ) − m_τ² is the propagator; its logarithm is flat where φ is soft or along the τ
        lowest = (TAU_MASS_GEV + m_phi_gev) ** 2 - TAU_MASS_GEV**2
        log_range = np.log(((energy - TAU_MASS_GEV) ** 2 - TAU_MASS_GEV**2) / lowest)
        propagator = lowest * np.exp(log_range * cube[:, 0])
        mass = np.sqrt(propagator + TAU_MASS_GEV**2)
        total = np.column_stack([np.zeros((len(cube), 3)), energy])
        pair, tau_plus, first = _decay(total, mass, TAU_MASS_GEV, cube[:, 1], cube[:, 2])
        tau_minus, phi, second = _decay(pair, TAU_MASS_GEV, m_phi_gev, cube[:, 3], cube[:, 4])
        other = _square(tau_plus + phi) - TAU_MASS_GEV**2
        # the half of |M|² that has its peak in D, twice: by charge conjugation the other half is the same
        share = 2.0 * other**2 / (other**2 + propagator**2)
        momenta = tuple(np.roll(p, 1, axis=1) for p in (tau_minus, tau_plus, phi))
        if isr:
            squared = helicity_weights(scalar_radiation_amplitudes(*momenta, sqrt_s_gev=energy)).sum(axis=(0, 1))
        else:
            electron = np.tile([0.5 * sqrt_s, 0.0, 0.0, 0.5 * sqrt_s], (len(cube), 1))
            squared = traced_helicity_weights(*momenta, p_electron=electron).sum(axis=(0, 1))
        phase_space = first * second * log_range * propagator / (2.0 * np.pi)
        return np.asarray(GEV_M2_TO_FB * factor * share * squared * phase_space / (2.0 * energy**2))

    return integrate(lambda cube: _in_blocks(integrand, cube), 6 if isr else 5, rng, n_points=n_points)


def four_lepton_pair_cross_section(
    channel: Channel, pair_mass_min_gev: float, rng: np.random.Generator, *, n_points: int
) -> Estimate:
    """Integrate σ(e⁺e⁻ → τ⁺τ⁻ℓ⁺ℓ⁻) at tree level in fb through the masses of ℓℓ and ττ.

    Parameters
    ----------
    channel
        Flavour of ℓ.
    pair_mass_min_gev
        Smallest mass of the pair, zero for its threshold.
    rng, n_points
        As in `signal_cross_section`.
    """
    sqrt_s, lepton = CollisionSettings().sqrt_s_gev, channel.lepton_mass_gev
    lowest = max(pair_mass_min_gev, 2.0 * lepton)

    def integrand(cube: FloatArray) -> FloatArray:
        log_range = 2.0 * np.log((sqrt_s - 2.0 * TAU_MASS_GEV) / lowest)
        mass = lowest * np.exp(0.5 * log_range * cube[:, 0])
        tau_range = (sqrt_s - mass) ** 2 - 4.0 * TAU_MASS_GEV**2
        tau_mass = np.sqrt(4.0 * TAU_MASS_GEV**2 + tau_range * cube[:, 1])
        rapidity = _ALONG_BEAM * (2.0 * cube[:, 2] - 1.0)
        cosine = np.tanh(rapidity) / np.tanh(_ALONG_BEAM)
        along = _ALONG_BEAM * (1.0 - np.tanh(rapidity) ** 2) / np.tanh(_ALONG_BEAM)
        total = np.tile([0.0, 0.0, 0.0, sqrt_s], (len(cube), 1))
        pair, recoil, first = _decay(total, mass, tau_mass, 0.5 * (1.0 + cosine), cube[:, 3])
        minus, plus, second = _decay(pair, lepton, lepton, cube[:, 4], cube[:, 5])
        tau_minus, tau_plus, third = _decay(recoil, TAU_MASS_GEV, TAU_MASS_GEV, cube[:, 6], cube[:, 7])
        events = FourLeptons(*(np.roll(p, 1, axis=1) for p in (tau_minus, tau_plus, minus, plus)))
        masses = log_range * mass**2 * tau_range / (2.0 * np.pi) ** 2
        phase_space = first * second * third * masses * along
        return np.asarray(GEV_M2_TO_FB * four_lepton_weights(events, lepton) * phase_space / (2.0 * sqrt_s**2))

    return integrate(lambda cube: _in_blocks(integrand, cube), 8, rng, n_points=n_points)


def spot_checks(n_points: int, seed: int = 1) -> Iterator[SpotCheck]:
    """Yield the second integrations, of the signal at several masses with and without radiation and of four leptons."""
    streams = iter(np.random.default_rng(seed).spawn(2 * len(SIGNAL_MASSES_GEV) + 3))
    for isr in (False, True):
        for mass in SIGNAL_MASSES_GEV:
            tabulated = float(cross_section_fb(mass, isr=isr, vacuum_polarisation=False))
            second = signal_cross_section(mass, next(streams), n_points=n_points, isr=isr)
            order = "with radiation" if isr else "Born"
            yield SpotCheck(f"τ⁺τ⁻φ, {mass:g} GeV, {order}", tabulated, 1e-5, second)
    for channel, lowest in ((Channel.EE, HEAVY_ELECTRONS_GEV), (Channel.MUMU, 0.0)):
        table = four_lepton_cross_section(channel, CollisionSettings().sqrt_s_gev, pair_mass_min_gev=lowest)
        second = four_lepton_pair_cross_section(channel, lowest, next(streams), n_points=4 * n_points)
        name = "τ⁺τ⁻e⁺e⁻, m(ee) > 30 MeV, Born" if channel is Channel.EE else "τ⁺τ⁻μ⁺μ⁻, Born"
        yield SpotCheck(name, table.sigma_born_fb, table.relative_error, second)


def _radiated(cube: FloatArray, sqrt_s_gev: float, threshold_gev: float) -> tuple[FloatArray, FloatArray]:
    """Return the radiator over the density of the sampling, and the energy that is left, shape (n,)."""
    s = sqrt_s_gev**2
    beta = radiator_exponent(s)
    largest = 1.0 - (threshold_gev / sqrt_s_gev) ** 2
    fraction = np.maximum(largest * cube ** (1.0 / beta), np.finfo(float).tiny)
    hard = hard_radiation(fraction, s) * fraction ** (1.0 - beta) / beta
    return largest**beta * (soft_virtual_factor(s) + hard), sqrt_s_gev * np.sqrt(1.0 - fraction)


def _decay(
    parent: FloatArray,
    mass_a_gev: FloatArray | float,
    mass_b_gev: FloatArray | float,
    cosine: FloatArray,
    azimuth: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return both daughters (px, py, pz, E) and dΦ₂ over the unit square of flat angles, given points of it."""
    mass = np.sqrt(_square(parent))
    momentum = two_body_momentum(mass, mass_a_gev, mass_b_gev)
    direction = unit_vector(2.0 * cosine - 1.0, 2.0 * np.pi * azimuth)
    at_rest = np.column_stack([momentum[:, np.newaxis] * direction, np.sqrt(momentum**2 + mass_a_gev**2)])
    first = boost_from_rest_frame(at_rest, parent)
    return first, parent - first, momentum / mass / (4.0 * np.pi)


def _square(four_momentum: FloatArray) -> FloatArray:
    return np.asarray(four_momentum[:, 3] ** 2 - np.sum(four_momentum[:, :3] ** 2, axis=1))


def _in_blocks(integrand: Callable[[FloatArray], FloatArray], cube: FloatArray) -> FloatArray:
    return np.concatenate([integrand(cube[first : first + _BLOCK]) for first in range(0, len(cube), _BLOCK)])


def main() -> None:
    """Print every spot check as a row of a table."""
    parser = argparse.ArgumentParser(description="Integrate cross-sections a second time.")
    parser.add_argument("--points", type=int, default=100_000, help="points of an iteration")
    n_points = parser.parse_args().points
    sys.stdout.write("| cross-section | table [fb] | second integration [fb] | ratio | pull |\n|---|---|---|---|---|\n")
    for check in spot_checks(n_points):
        second = check.second
        ratio, error = second.value / check.tabulated_fb, second.error / check.tabulated_fb
        sys.stdout.write(
            f"| {check.name} | {check.tabulated_fb:.5g} | {second.value:.5g} ± {second.error:.2g} "
            f"| {ratio:.4f} ± {error:.4f} | {check.pull:+.1f} |\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
