"""Event weights that correct simulation to data, with their up and down variations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.kinematics import length
from models.search import Channel
from processors.correction_sets import CorrectionError, CorrectionName, CorrectionSets, Variation

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

_HADRON_PDG: Final = {"kaon": 321, "pion": 211}
_KAON_ABOVE: Final = 0.5
"""Likelihood ratio at which neither hypothesis is the likelier one."""


class WeightSource(StrEnum):
    """Systematic source that moves event weights, in columns `weight_<source>_up` and `weight_<source>_down`."""

    IDENTIFICATION_ELECTRON = CorrectionName.IDENTIFICATION_ELECTRON
    IDENTIFICATION_MUON = CorrectionName.IDENTIFICATION_MUON
    MISIDENTIFICATION_ELECTRON = CorrectionName.MISIDENTIFICATION_ELECTRON
    MISIDENTIFICATION_MUON = CorrectionName.MISIDENTIFICATION_MUON
    KAON_PION = CorrectionName.KAON_PION
    TRACKING = CorrectionName.TRACKING
    TRIGGER = CorrectionName.TRIGGER


def weight_sources(channel: Channel) -> tuple[WeightSource, ...]:
    """Return the sources that move the weights of a channel.

    >>> [str(source) for source in weight_sources(Channel.EE)][:3]
    ['identification_electron', 'misidentification_electron', 'kaon_pion']
    """
    lepton = "electron" if channel is Channel.EE else "muon"
    return (
        WeightSource(f"identification_{lepton}"),
        WeightSource(f"misidentification_{lepton}"),
        WeightSource.KAON_PION,
        WeightSource.TRACKING,
        WeightSource.TRIGGER,
    )


class TrackCoordinates(NamedTuple):
    """What corrections of tracks depend on, arrays of one shape."""

    p_gev: FloatArray
    theta_deg: FloatArray
    charge: FloatArray

    @classmethod
    def of(cls, momentum_gev: FloatArray, charge: NDArray[np.integer]) -> TrackCoordinates:
        """Return the coordinates of tracks with laboratory momenta of shape (..., 3)."""
        transverse = np.hypot(momentum_gev[..., 0], momentum_gev[..., 1])
        theta = np.rad2deg(np.arctan2(transverse, momentum_gev[..., 2]))
        return cls(length(momentum_gev), theta, charge.astype(np.float64))

    def take(self, mask: BoolArray) -> TrackCoordinates:
        """Return the coordinates where a mask of the same shape is true, flat."""
        return TrackCoordinates(*(column[mask] for column in self))


@dataclass(frozen=True)
class CorrectedEvents:
    """What the weights of some events depend on."""

    generator_weight: FloatArray
    """Shape (n_events,)."""
    tracks: TrackCoordinates
    """All four tracks, shape (n_events, 4)."""
    daughters: TrackCoordinates
    """φ daughters, shape (n_events, 2)."""
    daughter_pdg: NDArray[np.int64]
    """True PDG codes of the φ daughters, 0 if not matched, shape (n_events, 2)."""
    daughter_kaon_likelihood: FloatArray
    """Kaon against pion likelihood ratio of the φ daughters, shape (n_events, 2)."""
    visible_energy_cm_gev: FloatArray
    """Shape (n_events,)."""


class CorrectedWeights(NamedTuple):
    """Weights of events after corrections, arrays of shape (n_events,)."""

    nominal: FloatArray
    up: dict[WeightSource, FloatArray]
    """Full weight with a source one standard deviation up."""
    down: dict[WeightSource, FloatArray]
    """Full weight with a source one standard deviation down."""


def corrected_weights(
    events: CorrectedEvents, channel: Channel, corrections: CorrectionSets, *, varied: bool = True
) -> CorrectedWeights:
    """Return generator weights times data/MC corrections.

    A φ daughter that is a lepton of the channel's flavour in truth takes the efficiency correction, any other that of
    misidentification, and one that is a kaon or pion that of K/π separation too. Tracking applies to all four tracks,
    trigger and luminosity to the event. What is common to the bins of a table moves together.

    Parameters
    ----------
    events
        What the corrections depend on.
    channel
        Lepton flavour of the φ daughters.
    corrections
        The corrections.
    varied
        Whether the variations are wanted; kinematics that are shifted themselves need the nominal weights only.

    Raises
    ------
    CorrectionError
        If a correction does not cover an event or is negative, or a weight is not a finite number.
    """
    factors = {source: _factor_function(source, events, channel, corrections) for source in weight_sources(channel)}
    nominal_factors = {source: factor(Variation.NOMINAL) for source, factor in factors.items()}
    base = events.generator_weight * corrections.factor(CorrectionName.LUMINOSITY)[0]
    nominal = _checked(base * _product(nominal_factors), "nominal")

    def vary(variation: Variation) -> dict[WeightSource, FloatArray]:
        return {
            source: _checked(base * _product({**nominal_factors, source: factor(variation)}), f"{source} {variation}")
            for source, factor in factors.items()
        }

    if not varied:
        return CorrectedWeights(nominal, {}, {})
    return CorrectedWeights(nominal, vary(Variation.UP), vary(Variation.DOWN))


def _factor_function(
    source: WeightSource, events: CorrectedEvents, channel: Channel, corrections: CorrectionSets
) -> Callable[[Variation], FloatArray]:
    """Return variation → factor of each event for one source."""
    name = CorrectionName(source)

    def of_tracks(variation: Variation, tracks: TrackCoordinates, applies: BoolArray, **more: FloatArray) -> FloatArray:
        factor = np.ones(applies.shape)
        chosen = {key: column[applies] for key, column in more.items()}
        factor[applies] = corrections.evaluate(name, variation, **tracks.take(applies)._asdict(), **chosen)
        return np.asarray(factor.prod(axis=-1))

    species = np.abs(events.daughter_pdg)
    is_lepton = species == channel.lepton_pdg
    match source:
        case WeightSource.TRACKING:
            everything = np.ones(events.tracks.p_gev.shape, dtype=bool)
            return lambda variation: of_tracks(variation, events.tracks, everything)
        case WeightSource.TRIGGER:
            energy = events.visible_energy_cm_gev
            return lambda variation: corrections.evaluate(name, variation, visible_energy_cm_gev=energy)
        case WeightSource.KAON_PION:
            is_kaon = species == _HADRON_PDG["kaon"]
            correct = (is_kaon == (events.daughter_kaon_likelihood > _KAON_ABOVE)).astype(np.float64)
            is_hadron = is_kaon | (species == _HADRON_PDG["pion"])
            return lambda variation: of_tracks(variation, events.daughters, is_hadron, correctly_identified=correct)
        case WeightSource.IDENTIFICATION_ELECTRON | WeightSource.IDENTIFICATION_MUON:
            return lambda variation: of_tracks(variation, events.daughters, is_lepton)
        case WeightSource.MISIDENTIFICATION_ELECTRON | WeightSource.MISIDENTIFICATION_MUON:
            return lambda variation: of_tracks(variation, events.daughters, ~is_lepton)


def _product(factors: Mapping[WeightSource, FloatArray]) -> FloatArray:
    total = np.ones(())
    for source, factor in factors.items():
        if np.any(factor < 0.0):
            raise CorrectionError(f"correction '{source}' is negative ({factor.min():g}): a weight cannot be")
        total = total * factor
    return total


def _checked(weight: FloatArray, what: str) -> FloatArray:
    finite = np.isfinite(weight)
    if not finite.all():
        row = int(np.argmin(finite))
        raise CorrectionError(f"the {what} weight of event {row} of the chunk's candidates is {weight[row]}")
    return weight
