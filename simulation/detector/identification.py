"""Identification likelihood ratios with given efficiencies at the working points of the analysis."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtri

from models.search import Channel
from simulation.detector.configuration import IdentificationConfig, LikelihoodRatio
from simulation.detector.lepton_pairs import force_lepton_pairs
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
from simulation.importance import NATURAL, Forced, ImportanceSampling

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


class WeightedFourTracks(NamedTuple):
    """Events with four tracks among which lepton pairs may be made on purpose."""

    track: NDArray[np.int64]
    """Indices of the tracks, shape (n_events, 2, 2): two of one charge, then two of the other."""
    weight: FloatArray
    """Weights that the events have already, shape (n_events,)."""


NO_FOUR_TRACKS: Final = WeightedFourTracks(np.empty((0, 2, 2), dtype=np.int64), np.empty(0))


class Identification(NamedTuple):
    """Likelihood ratios of each track, all in [0, 1], shape (n,)."""

    electron_id: FloatArray
    muon_id: FloatArray
    muon_quality: FloatArray
    """1 where the track can reach the muon detector, else 0."""
    kaon_pion_id: FloatArray


class Identified(NamedTuple):
    """Identification of tracks, and the weights for lepton pairs that were made on purpose."""

    ratios: Identification
    weight: FloatArray
    """Factor on the weight of each event of four tracks, shape (n_events,)."""


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
    probability: FloatArray, passes: BoolArray, *, cut: float, spread: float, rng: np.random.Generator
) -> FloatArray:
    """Return likelihood ratios of tracks of which it is known whether they exceed `cut`.

    The log-likelihood difference is Gaussian, as the sum of many detectors' contributions is about; its mean is where
    the working point cuts off the wanted fraction, so that its part on one side of the cut is a truncated Gaussian.

    Parameters
    ----------
    probability
        Probability of each track to pass, shape (n,).
    passes
        Whether it does, shape (n,).
    cut, spread
        Working point and width of the log-likelihood difference.
    rng
        Source of random numbers.

    Examples
    --------
    >>> passes = np.array([True, False])
    >>> score = draw_likelihood_ratio(np.full(2, 0.9), passes, cut=0.9, spread=3.0, rng=np.random.default_rng(1))
    >>> (score > 0.9).tolist()
    [True, False]
    """
    share = 1.0 - rng.random(len(probability))
    tail = ndtri(np.where(passes, probability, 1.0 - probability) * share)
    distance = np.where(passes, -tail, tail) + ndtri(probability)
    return np.asarray(expit(logit(cut) + spread * distance))


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


class _MuonResponse(NamedTuple):
    """How each track behaves in the muon detector, shape (n,)."""

    reaches: BoolArray
    decay: FloatArray
    """Probability to be seen as a muon because of a decay in flight."""
    as_muon: FloatArray
    """Probability to pass if so."""
    as_itself: FloatArray
    """Probability to pass if not."""

    @property
    def probability(self) -> FloatArray:
        """Probability to pass."""
        return np.where(self.reaches, self.decay * self.as_muon + (1.0 - self.decay) * self.as_itself, 0.0)

    def given(self, passes: BoolArray, rng: np.random.Generator) -> FloatArray:
        """Return the pass probability of what each track turned out to be, knowing whether it passes."""
        both = np.where(passes, self.as_muon, 1.0 - self.as_muon)
        neither = np.where(passes, self.as_itself, 1.0 - self.as_itself)
        decayed = self.decay * both
        is_muon = rng.random(len(passes)) * (decayed + (1.0 - self.decay) * neither) < decayed
        return np.where(is_muon, self.as_muon, self.as_itself)


def _muon_response(
    species: NDArray[np.int64],
    momentum_gev: FloatArray,
    polar_angle_rad: FloatArray,
    identification: IdentificationConfig,
) -> _MuonResponse:
    like_muon = np.zeros(len(CHARGED_SPECIES))
    like_muon[CHARGED_SPECIES.index(PION)] = identification.pion_decay_like_muon
    like_muon[CHARGED_SPECIES.index(KAON)] = identification.kaon_decay_like_muon
    low, high = np.deg2rad(identification.muon_polar_range_deg)
    decay = decay_in_flight_probability(species, momentum_gev, polar_angle_rad, identification.flight_radius_mm)
    as_muon, as_itself = (
        pass_probability(seen_as, momentum_gev, polar_angle_rad, identification.muon)
        for seen_as in (np.full_like(species, CHARGED_SPECIES.index(MUON)), species)
    )
    return _MuonResponse(
        reaches=(momentum_gev > identification.muon_momentum_gev) & (polar_angle_rad > low) & (polar_angle_rad < high),
        decay=like_muon[species] * decay,
        as_muon=as_muon,
        as_itself=as_itself,
    )


def lepton_pass_probabilities(
    pdg: NDArray[np.int32], momentum_gev: FloatArray, polar_angle_rad: FloatArray, identification: IdentificationConfig
) -> dict[Channel, FloatArray]:
    """Return the probability of each track to be identified as a lepton of each channel, shape (n,); see `identify`."""
    species = species_index(pdg)
    return {
        Channel.EE: pass_probability(species, momentum_gev, polar_angle_rad, identification.electron),
        Channel.MUMU: _muon_response(species, momentum_gev, polar_angle_rad, identification).probability,
    }


def identify(
    pdg: NDArray[np.int32],
    momentum_gev: FloatArray,
    polar_angle_rad: FloatArray,
    rng: np.random.Generator,
    identification: IdentificationConfig,
    importance: ImportanceSampling = NATURAL,
    four_tracks: WeightedFourTracks = NO_FOUR_TRACKS,
) -> Identified:
    """Return the likelihood ratios of tracks.

    A pion or kaon that decays in flight counts as a muon for the muon detector with the configured probability. Which
    tracks pass the working points is drawn first, pairs among four tracks more often than in nature if so asked; decays
    in flight and likelihood ratios then follow from that. A selection at other cuts than these working points
    finds the right expectations too, but gains less.

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
    importance
        How much more often electron and muon pairs are identified.
    four_tracks
        Events in which they are.
    """
    species = species_index(pdg)

    def score(probability: FloatArray, passes: BoolArray, ratio: LikelihoodRatio) -> FloatArray:
        return draw_likelihood_ratio(probability, passes, cut=ratio.cut, spread=ratio.spread, rng=rng)

    muon = _muon_response(species, momentum_gev, polar_angle_rad, identification)
    electron, kaon = (
        pass_probability(species, momentum_gev, polar_angle_rad, ratio)
        for ratio in (identification.electron, identification.kaon)
    )
    is_electron, electron_factor = _draw_passes(electron, four_tracks, Channel.EE, importance, rng)
    so_far = four_tracks._replace(weight=four_tracks.weight * electron_factor)
    is_muon, muon_factor = _draw_passes(muon.probability, so_far, Channel.MUMU, importance, rng)
    muon_id = score(muon.given(is_muon, rng), is_muon, identification.muon)
    return Identified(
        Identification(
            electron_id=score(electron, is_electron, identification.electron),
            muon_id=np.where(muon.reaches, muon_id, 0.0),
            muon_quality=muon.reaches.astype(np.float64),
            kaon_pion_id=score(kaon, rng.random(len(kaon)) < kaon, identification.kaon),
        ),
        electron_factor * muon_factor,
    )


def _draw_passes(
    probability: FloatArray,
    four_tracks: WeightedFourTracks,
    channel: Channel,
    importance: ImportanceSampling,
    rng: np.random.Generator,
) -> Forced:
    """Return which tracks pass, and factors on the weights of the events of `four_tracks`."""
    passes = rng.random(len(probability)) < probability
    boost = importance.identification_boost.get(channel, 1.0)
    if boost == 1.0:
        return Forced(passes, np.ones(len(four_tracks.weight)))
    track = four_tracks.track
    passes[track], factor = force_lepton_pairs(
        probability[track], four_tracks.weight, boost, importance.forced_probability_max, rng
    )
    return Forced(passes, factor)
