"""Identification likelihood ratios with given efficiencies at the working points of the analysis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from simulation.detector.configuration import IdentificationConfig, LikelihoodRatio
from simulation.detector.species import (
    CHARGED_SPECIES,
    KAON,
    KAON_CTAU_MM,
    MUON,
    PION,
    PION_CTAU_MM,
    mass_gev,
    species_index,
)

FloatArray = NDArray[np.float64]


class Identification(NamedTuple):
    """Likelihood ratios of each track, all in [0, 1], shape (n,)."""

    electron_id: FloatArray
    muon_id: FloatArray
    muon_quality: FloatArray
    """1 where the track can reach the muon detector, else 0."""
    kaon_pion_id: FloatArray


def pass_probability(
    species: NDArray[np.int64], momentum_gev: FloatArray, polar_angle_rad: FloatArray, ratio: LikelihoodRatio
) -> FloatArray:
    """Return the probability of each track to lie above the working point.

    Parameters
    ----------
    species
        Position in `CHARGED_SPECIES`, shape (n,).
    momentum_gev, polar_angle_rad
        Shape (n,).
    ratio
        Tables of the likelihood ratio.
    """
    tables = np.array([ratio.electron, ratio.muon, ratio.pion, ratio.kaon, ratio.proton])
    momentum_bin = np.searchsorted(np.array(ratio.momentum_edges_gev), momentum_gev, side="right")
    polar_bin = np.searchsorted(np.deg2rad(ratio.polar_edges_deg), polar_angle_rad, side="right")
    return np.asarray(tables[species, momentum_bin, polar_bin])


def draw_likelihood_ratio(
    probability: FloatArray, *, cut: float, spread: float, rng: np.random.Generator
) -> FloatArray:
    """Return likelihood ratios that exceed `cut` with the given probabilities.

    The log-likelihood difference is Gaussian, as the sum of many detectors' contributions is about; its mean is where
    the working point cuts off the wanted fraction.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> score = draw_likelihood_ratio(np.full(10000, 0.92), cut=0.9, spread=3.0, rng=rng)
    >>> round(float(np.mean(score > 0.9)), 2)
    0.92
    """
    return np.asarray(expit(logit(cut) + spread * (ndtri(probability) + rng.standard_normal(len(probability)))))


def decay_in_flight_probability(
    species: NDArray[np.int64], momentum_gev: FloatArray, polar_angle_rad: FloatArray, flight_radius_mm: float
) -> FloatArray:
    """Return the probability of each track's particle to decay before it leaves the drift chamber.

    P = 1 − exp(−L m/(p cτ)) with L the radius over sin θ; zero for what is not a charged pion or kaon.
    """
    mass_over_ctau = np.zeros(len(CHARGED_SPECIES))
    for code, ctau_mm in ((PION, PION_CTAU_MM), (KAON, KAON_CTAU_MM)):
        index = CHARGED_SPECIES.index(code)
        mass_over_ctau[index] = mass_gev(np.array([code], dtype=np.int32))[0] / ctau_mm
    path = flight_radius_mm / np.sin(polar_angle_rad)
    return -np.expm1(-path * mass_over_ctau[species] / momentum_gev)


def identify(
    pdg: NDArray[np.int32],
    momentum_gev: FloatArray,
    polar_angle_rad: FloatArray,
    rng: np.random.Generator,
    identification: IdentificationConfig,
) -> Identification:
    """Return the likelihood ratios of tracks.

    A pion or kaon that decays in flight counts as a muon for the muon detector with the configured probability.

    Parameters
    ----------
    pdg
        PDG codes of the particles, shape (n,).
    momentum_gev, polar_angle_rad
        True momentum and polar angle, shape (n,).
    rng
        Source of random numbers.
    identification
        Working points and tables.
    """
    species = species_index(pdg)
    like_muon = np.zeros(len(CHARGED_SPECIES))
    like_muon[CHARGED_SPECIES.index(PION)] = identification.pion_decay_like_muon
    like_muon[CHARGED_SPECIES.index(KAON)] = identification.kaon_decay_like_muon
    becomes_muon = rng.random(len(pdg)) < like_muon[species] * decay_in_flight_probability(
        species, momentum_gev, polar_angle_rad, identification.flight_radius_mm
    )
    species_in_muon_detector = np.where(becomes_muon, CHARGED_SPECIES.index(MUON), species)

    def ratio(seen_as: NDArray[np.int64], table: LikelihoodRatio) -> FloatArray:
        probability = pass_probability(seen_as, momentum_gev, polar_angle_rad, table)
        return draw_likelihood_ratio(probability, cut=table.cut, spread=table.spread, rng=rng)

    low, high = np.deg2rad(identification.muon_polar_range_deg)
    reaches_muon_detector = (
        (momentum_gev > identification.muon_momentum_gev) & (polar_angle_rad > low) & (polar_angle_rad < high)
    )
    return Identification(
        electron_id=ratio(species, identification.electron),
        muon_id=np.where(reaches_muon_detector, ratio(species_in_muon_detector, identification.muon), 0.0),
        muon_quality=reaches_muon_detector.astype(np.float64),
        kaon_pion_id=ratio(species, identification.kaon),
    )
