"""Shifted kinematics: the same events with the momentum scale moved by its uncertainty."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import numpy as np

from processors.four_track_events import FourTrackEvents
from processors.ntuple import HELIX_PARAMETERS


class Kinematics(StrEnum):
    """Which kinematics candidates were made with; also the name of their folder."""

    NOMINAL = "nominal"
    MOMENTUM_SCALE_UP = "momentum_scale_up"
    MOMENTUM_SCALE_DOWN = "momentum_scale_down"


def shift_kinematics(
    events: FourTrackEvents, kinematics: Kinematics, momentum_scale_uncertainty: float
) -> FourTrackEvents:
    """Return events with track momenta scaled as a variation says.

    Parameters
    ----------
    events
        Events with the measured momenta.
    kinematics
        The variation; nominal returns the events themselves.
    momentum_scale_uncertainty
        Relative change of every momentum.

    Returns
    -------
    Events whose momenta are larger or smaller and whose helices bend accordingly, from the same perigee and with the
    same covariance.
    """
    if kinematics is Kinematics.NOMINAL:
        return events
    sign = 1.0 if kinematics is Kinematics.MOMENTUM_SCALE_UP else -1.0
    scale = 1.0 + sign * momentum_scale_uncertainty
    curvature = np.ones(len(HELIX_PARAMETERS))
    curvature[HELIX_PARAMETERS.index("omega")] = 1.0 / scale
    return replace(events, momentum_gev=scale * events.momentum_gev, helix=curvature * events.helix)
