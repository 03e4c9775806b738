"""Event weights that correct simulation to data, with their up and down variations."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.search import Channel
from processors.configuration import CorrectionSettings
from processors.selection import N_TRACKS

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]


class WeightSource(StrEnum):
    """Systematic source that moves event weights, in columns `weight_<source>_up` and `weight_<source>_down`."""

    IDENTIFICATION_ELECTRON = "identification_electron"
    IDENTIFICATION_MUON = "identification_muon"
    MISIDENTIFICATION_ELECTRON = "misidentification_electron"
    MISIDENTIFICATION_MUON = "misidentification_muon"
    TRACKING = "tracking"


def weight_sources(channel: Channel) -> tuple[WeightSource, ...]:
    """Return the sources that move the weights of a channel.

    >>> [str(source) for source in weight_sources(Channel.EE)]
    ['identification_electron', 'misidentification_electron', 'tracking']
    """
    lepton = "electron" if channel is Channel.EE else "muon"
    return (
        WeightSource(f"identification_{lepton}"),
        WeightSource(f"misidentification_{lepton}"),
        WeightSource.TRACKING,
    )


class CorrectedWeights(NamedTuple):
    """Weights of events after corrections, arrays of shape (n_events,)."""

    nominal: FloatArray
    up: dict[WeightSource, FloatArray]
    """Full weight with a source one standard deviation up."""
    down: dict[WeightSource, FloatArray]
    """Full weight with a source one standard deviation down."""


def corrected_weights(
    generator_weight: FloatArray,
    momentum_gev: FloatArray,
    is_true_lepton: BoolArray,
    channel: Channel,
    settings: CorrectionSettings,
) -> CorrectedWeights:
    """Return generator weights times data/MC corrections of the two φ daughters.

    Parameters
    ----------
    generator_weight
        Shape (n_events,).
    momentum_gev
        Laboratory momenta of the φ daughters, shape (n_events, 2, 3).
    is_true_lepton
        Whether a daughter is a lepton of the channel's flavour in truth, shape (n_events, 2): it then takes the
        efficiency correction, else that of misidentification.
    channel
        Lepton flavour.
    settings
        The corrections.

    Returns
    -------
    Nominal and varied weights. Uncertainties of one table are taken as common to its bins.
    """
    transverse = np.hypot(momentum_gev[..., 0], momentum_gev[..., 1])
    momentum = np.linalg.norm(momentum_gev, axis=-1)
    theta = np.arctan2(transverse, momentum_gev[..., 2])
    efficiency, misidentification, tracking = weight_sources(channel)
    tables = {efficiency: settings.efficiency_of(channel), misidentification: settings.misidentification_of(channel)}
    values = {source: table.look_up(momentum, theta) for source, table in tables.items()}
    applies = {efficiency: is_true_lepton, misidentification: ~is_true_lepton}

    def product(shifts: dict[WeightSource, float]) -> FloatArray:
        weight = generator_weight.copy()
        for source, (correction, uncertainty) in values.items():
            factor = np.maximum(correction + shifts.get(source, 0.0) * uncertainty, 0.0)
            weight *= np.where(applies[source], factor, 1.0).prod(axis=-1)
        return weight * (1.0 + shifts.get(tracking, 0.0) * settings.tracking_uncertainty_per_track) ** N_TRACKS

    sources = (efficiency, misidentification, tracking)
    return CorrectedWeights(
        product({}),
        {source: product({source: +1.0}) for source in sources},
        {source: product({source: -1.0}) for source in sources},
    )
