"""π⁰ candidates from pairs of photons."""

from __future__ import annotations

import numpy as np

from models.constants import NEUTRAL_PION_MASS_GEV
from simulation.detector.calorimeter import position_resolution_mm, relative_energy_resolution
from simulation.detector.configuration import CalorimeterConfig, NeutralPionConfig
from simulation.detector.detected import NeutralPions, Photons
from simulation.detector.jagged import distinct_pairs, starts_of


def find_neutral_pions(
    photons: Photons, *, neutral_pions: NeutralPionConfig, calorimeter: CalorimeterConfig
) -> NeutralPions:
    """Return every pair of photons whose mass lies in the π⁰ window, each pair once.

    The momentum is that of a fit with the π⁰ mass as constraint. For Gaussian errors of ln E₁, ln E₂ and
    ln(1 − cos θ) it has a closed form, because the constraint E₁E₂(1 − cos θ) = m²/2 is linear in them: each takes a
    share of the correction in proportion to its variance. The direction is that of the corrected energies along the
    measured directions.

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
    one_minus_cosine = 0.5 * squared_mass[accepted] / (energy[first] * energy[second])
    # d ln(1 − cos θ)/dθ = cot(θ/2); the front face is taken to be as far as the barrel, for this weight only.
    squared_angle_error = (
        position_resolution_mm(energy[first], calorimeter) ** 2
        + position_resolution_mm(energy[second], calorimeter) ** 2
    ) / calorimeter.radius_mm**2
    angle_variance = (2.0 - one_minus_cosine) / one_minus_cosine * squared_angle_error
    correction = log_change / (first_variance + second_variance + angle_variance)
    first_energy = energy[first] * np.exp(correction * first_variance)
    second_energy = energy[second] * np.exp(correction * second_variance)

    fitted_energy = first_energy + second_energy
    along = (first_energy / energy[first])[:, None] * momentum[first]
    along += (second_energy / energy[second])[:, None] * momentum[second]
    size = np.sqrt(fitted_energy**2 - NEUTRAL_PION_MASS_GEV**2)
    start = starts_of(photons.counts)[event[first]]
    return NeutralPions(
        counts=np.bincount(event[first], minlength=n_events),
        momentum_gev=(size / np.linalg.norm(along, axis=1))[:, None] * along,
        energy_gev=fitted_energy,
        first_photon=first - start,
        second_photon=second - start,
    )
