"""e⁺e⁻ → e⁺e⁻ and μ⁺μ⁻ with at least one hard photon: what can make four tracks when the photon converts.

One photon each from the initial and the final state, without their interference; one of them at least is hard. The
rest of the total cross-section has two tracks and no chance of two more, and is not generated.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.constants import ALPHA_EM, ELECTRON_MASS_GEV, GEV_M2_TO_FB, MUON_MASS_GEV
from simulation.configuration import CrossSection, CrossSections, LeptonPairConfig, RadiationSettings
from simulation.detector.species import ELECTRON, MUON
from simulation.generated import GeneratedEvents
from simulation.radiation import RadiationSpectrum, final_state_spectrum, initial_state_spectrum
from simulation.radiative_pairs import make_radiative_pairs
from simulation.virtual_photon import sample_fermion_cosine

FloatArray = NDArray[np.float64]
_TABLE_POINTS: Final = 4001
"""Nodes of the tabulated Bhabha distribution, enough for 10⁻⁵ of its integral."""


class RadiatedFractions(NamedTuple):
    """Radiation of both states with a hard photon in at least one."""

    initial: RadiationSpectrum
    final: RadiationSpectrum
    hard: float
    """Fraction of s above which a photon is hard."""

    @property
    def probability(self) -> float:
        """Fraction of all pairs that radiate a hard photon."""
        initial, final = self.initial.probability_above(self.hard), self.final.probability_above(self.hard)
        return initial + final - initial * final

    def sample(self, n: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return fractions radiated by the initial and by the final state, both of shape (n,)."""
        from_initial = rng.uniform(size=n) * self.probability < self.initial.probability_above(self.hard)
        hard_initial = self.initial.sample(n, rng, above=self.hard)
        soft_initial = self.initial.sample(n, rng, below=self.hard)
        any_final = self.final.sample(n, rng)
        hard_final = self.final.sample(n, rng, above=self.hard)
        return np.where(from_initial, hard_initial, soft_initial), np.where(from_initial, any_final, hard_final)


def muon_pair_events(
    n: int, sqrt_s_gev: float, rng: np.random.Generator, config: LeptonPairConfig, radiation: RadiationSettings
) -> GeneratedEvents:
    """Return unweighted e⁺e⁻ → μ⁺μ⁻γ(γ) events in the centre-of-mass frame.

    Parameters
    ----------
    n
        Number of events.
    sqrt_s_gev
        Centre-of-mass energy.
    rng
        Random stream.
    config
        What counts as a hard photon, and the smallest mass of the pair.
    radiation
        Spectrum of the photons.
    """
    initial, final = _radiation(sqrt_s_gev, MUON_MASS_GEV, config, radiation).sample(n, rng)
    pairs = make_radiative_pairs(
        initial,
        final,
        sqrt_s_gev,
        MUON_MASS_GEV,
        lambda reduced_s: sample_fermion_cosine((2.0 * MUON_MASS_GEV) ** 2 / reduced_s, rng),
        rng,
    )
    return pairs.events(MUON, rng)


def bhabha_events(
    n: int, sqrt_s_gev: float, rng: np.random.Generator, config: LeptonPairConfig, radiation: RadiationSettings
) -> GeneratedEvents:
    """Return unweighted e⁺e⁻ → e⁺e⁻γ(γ) events in the centre-of-mass frame; arguments as for `muon_pair_events`."""
    initial, final = _radiation(sqrt_s_gev, ELECTRON_MASS_GEV, config, radiation).sample(n, rng)
    cosines, cumulative = _bhabha_table(config.bhabha_polar_range_deg)
    pairs = make_radiative_pairs(
        initial,
        final,
        sqrt_s_gev,
        ELECTRON_MASS_GEV,
        lambda reduced_s: np.interp(rng.uniform(0.0, cumulative[-1], len(reduced_s)), cumulative, cosines),
        rng,
    )
    return pairs.events(ELECTRON, rng)


def muon_pair_cross_section(
    total: CrossSection, sqrt_s_gev: float, config: LeptonPairConfig, radiation: RadiationSettings
) -> CrossSection:
    """Return the part of the e⁺e⁻ → μ⁺μ⁻ cross-section that `muon_pair_events` makes: that with a hard photon."""
    probability = _radiation(sqrt_s_gev, MUON_MASS_GEV, config, radiation).probability
    return _hard_photon_part(total, 1.0, probability, config)


def bhabha_cross_section(
    totals: CrossSections, sqrt_s_gev: float, config: LeptonPairConfig, radiation: RadiationSettings
) -> CrossSection:
    """Return the part of the Bhabha cross-section that `bhabha_events` makes: in its angles and with a hard photon."""
    angles = bhabha_born_cross_section_fb(sqrt_s_gev, config.bhabha_polar_range_deg) / bhabha_born_cross_section_fb(
        sqrt_s_gev, totals.bhabha_polar_range_deg
    )
    probability = _radiation(sqrt_s_gev, ELECTRON_MASS_GEV, config, radiation).probability
    return _hard_photon_part(totals.bhabha, angles, probability, config)


def bhabha_born_cross_section_fb(sqrt_s_gev: float, polar_range_deg: tuple[float, float]) -> float:
    """Return the cross-section of e⁺e⁻ → e⁺e⁻ without radiation in a range of the electron's polar angle.

    >>> round(bhabha_born_cross_section_fb(10.58, (10.0, 170.0)) / 1e6)
    287
    """
    _, cumulative = _bhabha_table(polar_range_deg)
    return float(cumulative[-1]) * np.pi * ALPHA_EM**2 / (2.0 * sqrt_s_gev**2) * GEV_M2_TO_FB


def _hard_photon_part(total: CrossSection, angles: float, probability: float, config: LeptonPairConfig) -> CrossSection:
    return CrossSection(
        value_fb=total.value_fb * angles * probability,
        source=f"{total.source}, times {angles:.4f} for the range of angles and {probability:.4f} for a photon above "
        f"{config.photon_energy_min_gev} GeV as generated",
    )


def _radiation(
    sqrt_s_gev: float, lepton_mass_gev: float, config: LeptonPairConfig, settings: RadiationSettings
) -> RadiatedFractions:
    s = sqrt_s_gev**2
    # Both cross-sections fall as 1/s at fixed angle.
    return RadiatedFractions(
        initial_state_spectrum(s, 1.0 - config.pair_mass_min_gev**2 / s, lambda v: 1.0 / (1.0 - v), settings),
        final_state_spectrum(s, lepton_mass_gev, settings),
        2.0 * config.photon_energy_min_gev / sqrt_s_gev,
    )


def _bhabha_table(polar_range_deg: tuple[float, float]) -> tuple[FloatArray, FloatArray]:
    """Return cosines and the integral of ((3 + cos²θ)/(1 − cos θ))², the massless Born distribution, up to each."""
    forward, backward = np.deg2rad(polar_range_deg)
    # Even steps in ln(1 − cos θ) resolve the forward peak.
    cosine = 1.0 - np.geomspace(1.0 - np.cos(backward), 1.0 - np.cos(forward), _TABLE_POINTS)
    middle = 0.5 * (cosine[1:] + cosine[:-1])
    density = ((3.0 + middle**2) / (1.0 - middle)) ** 2
    return cosine, np.concatenate([[0.0], np.cumsum(density * np.diff(cosine))])
