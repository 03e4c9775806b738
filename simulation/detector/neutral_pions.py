"""π⁰ candidates from pairs of photons."""

from __future__ import annotations

import numpy as np

from models.constants import NEUTRAL_PION_MASS_GEV
from simulation.detector.calorimeter import relative_energy_resolution
from simulation.detector.configuration import CalorimeterConfig, NeutralPionConfig
from simulation.detector.detected import NeutralPions, Photons
from simulation.detector.jagged import distinct_pairs, starts_of


def find_neutral_pions(
    photons: Photons, *, neutral_pions: NeutralPionConfig, calorimeter: CalorimeterConfig
) -> NeutralPions:
    """Return every pair of photons whose mass lies in the π⁰ window, each pair once.

    The momentum is that of a fit with the π⁰ mass as constraint in which the energies move and the directions stay.
    For Gaussian errors of ln E it has a closed form: ln E₁ and ln E₂ share the change that E₁E₂ = m²/2(1 − cos θ)
    demands in proportion to their squared relative resolutions.

    Parameters
    ----------
    photons
        Photons of all events.
    neutral_pions, calorimeter
        Window and threshold; energy resolution.
    """
    n_events = len(photons.counts)
    event = np.repeat(np.arange(n_events), photons.counts)
    hard = np.flatnonzero(photons.energy_gev > neutral_pions.photon_threshold_gev)
    pairs = distinct_pairs(np.bincount(event[hard], minlength=n_events))
    first, second = hard[pairs[0]], hard[pairs[1]]

    momentum, energy = photons.momentum_gev, photons.energy_gev
    squared_mass = 2.0 * (energy[first] * energy[second] - np.sum(momentum[first] * momentum[second], axis=1))
    low, high = neutral_pions.mass_window_gev
    accepted = (squared_mass > low**2) & (squared_mass < high**2)
    first, second = first[accepted], second[accepted]

    log_change = np.log(NEUTRAL_PION_MASS_GEV**2 / squared_mass[accepted])
    first_variance = relative_energy_resolution(energy[first], calorimeter) ** 2
    second_variance = relative_energy_resolution(energy[second], calorimeter) ** 2
    first_share = first_variance / (first_variance + second_variance)
    first_scale = np.exp(log_change * first_share)
    second_scale = np.exp(log_change * (1.0 - first_share))
    start = starts_of(photons.counts)[event[first]]
    return NeutralPions(
        counts=np.bincount(event[first], minlength=n_events),
        momentum_gev=first_scale[:, None] * momentum[first] + second_scale[:, None] * momentum[second],
        energy_gev=first_scale * energy[first] + second_scale * energy[second],
        first_photon=first - start,
        second_photon=second - start,
    )
