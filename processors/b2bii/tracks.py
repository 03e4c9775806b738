"""Tracks of B2BII files as tracks of the ntuple: units, signs and consistency of helix, momentum and covariance."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix, distance_to, momentum_at, position_at
from processors.b2bii.configuration import ConversionSettings
from processors.b2bii.errors import BadNumberError, HelixMomentumError, NegativeVarianceError
from processors.b2bii.reading import Particles
from processors.b2bii.variables import covariance_variable
from processors.ntuple import COVARIANCE_INDICES, HELIX_PARAMETERS

AnyArray = NDArray[Any]
FloatArray = NDArray[np.float64]

MM_PER_CM: Final = 10.0
_HELIX_SCALE: Final = {"d0": MM_PER_CM, "phi0": 1.0, "omega": 1.0 / MM_PER_CM, "z0": MM_PER_CM, "tanLambda": 1.0}
"""What a helix parameter in cm has to be multiplied with; an element of the covariance with the product of two."""
_SCALES: Final = tuple(_HELIX_SCALE[name] for name in HELIX_PARAMETERS)
_LIKELIHOOD_RATIOS: Final = {"eID": "eIDBelle", "muID": "muIDBelle", "KpiID": "atcPIDBelle(3,2)"}
_MOMENTUM: Final = ("px", "py", "pz")


def track_columns(
    tracks: Particles, ip_mm: FloatArray, settings: ConversionSettings, notes: Counter[str]
) -> dict[str, AnyArray]:
    """Return the branches of `Track` without truth.

    Parameters
    ----------
    tracks
        As read, in cm.
    ip_mm
        Interaction point of each event, shape (n_events, 3).
    settings
        Field and tolerances.
    notes
        What was done for how many tracks is added here.

    Returns
    -------
    Branch → values of shape (n_tracks,), lengths in mm.

    Raises
    ------
    BadNumberError
        If a number is not finite, a charge not ±1, or a curvature zero.
    NegativeVarianceError
        If a diagonal element of a covariance is not positive.
    HelixMomentumError
        If charge or momentum are not those of the helix.
    """
    tracks.require_finite("charge", *_MOMENTUM, *HELIX_PARAMETERS)
    tracks.require_finite(*(covariance_variable(i, j) for i, j in COVARIANCE_INDICES))
    charge, omega = tracks.real("charge"), tracks.real("omega")
    _require(tracks, np.abs(charge) == 1.0, "charge", charge, BadNumberError, "not ±1")
    _require(tracks, omega != 0.0, "omega", omega, BadNumberError, "a charged track has a curvature")
    helix = Helix(*(scale * tracks.real(name) for name, scale in _HELIX_SCALE.items()))
    covariance = {}
    for i, j in COVARIANCE_INDICES:
        element = tracks.real(covariance_variable(i, j))
        if i == j:
            _require(tracks, element > 0.0, covariance_variable(i, j), element, NegativeVarianceError, "not positive")
        covariance[f"cov{i}{j}"] = _SCALES[i] * _SCALES[j] * element
    _require(tracks, charge == helix.charge, "charge", charge, HelixMomentumError, "but omega has the opposite sign")
    momentum = np.stack([tracks.real(name) for name in _MOMENTUM], axis=-1)
    _check_momentum(tracks, momentum, helix, settings)
    _compare_distances(tracks, helix, ip_mm[tracks.event], settings, notes)
    ratios = {
        name: _likelihood_ratio(tracks, variable, settings, notes) for name, variable in _LIKELIHOOD_RATIOS.items()
    }
    quality = tracks.real("muIDBelleQuality")
    return {
        "charge": charge.astype(np.int8),
        **{name: momentum[:, axis] for axis, name in enumerate(_MOMENTUM)},
        **dict(zip(HELIX_PARAMETERS, helix, strict=True)),
        **covariance,
        **ratios,
        "muIDQuality": np.where(np.isnan(quality), 0.0, quality),
    }


def _require(
    tracks: Particles,
    valid: NDArray[np.bool_],
    variable: str,
    values: FloatArray,
    error: type[BadNumberError] | type[NegativeVarianceError] | type[HelixMomentumError],
    why: str,
) -> None:
    if valid.all():
        return
    track = int(np.argmin(valid))
    raise error(
        f"{tracks.path}: variable '{variable}' of tree '{tracks.tree}' holds {values[track]:g} "
        f"at entry {tracks.entry(track)}, {why}"
    )


def _check_momentum(tracks: Particles, momentum: FloatArray, helix: Helix, settings: ConversionSettings) -> None:
    of_helix = momentum_at(helix, np.zeros_like(helix.omega), settings.field_tesla)
    distance = np.linalg.norm(momentum - of_helix, axis=-1)
    bad = ~(distance <= settings.momentum_tolerance * np.linalg.norm(momentum, axis=-1))
    if not bad.any():
        return
    track = int(np.argmax(bad))
    expected, found = (", ".join(f"{p:.5g}" for p in vector[track]) for vector in (of_helix, momentum))
    raise HelixMomentumError(
        f"{tracks.path}: at entry {tracks.entry(track)} a track has the momentum ({found}) GeV, but its helix in "
        f"{settings.field_tesla:g} T ({expected}) GeV; {int(bad.sum())} of {len(bad)} tracks read with it differ"
    )


def _compare_distances(
    tracks: Particles, helix: Helix, ip_mm: FloatArray, settings: ConversionSettings, notes: Counter[str]
) -> None:
    """Note tracks whose `dr` and `dz` are not those of their helix, by either definition of the closest point."""
    if "dr" not in tracks or "dz" not in tracks:
        return
    dr, dz = MM_PER_CM * tracks.real("dr"), MM_PER_CM * tracks.real("dz")
    tolerance = MM_PER_CM * settings.distance_tolerance_cm
    at_axis = position_at(helix, np.zeros_like(helix.omega)) - ip_mm
    definitions = (distance_to(helix, ip_mm), (np.hypot(at_axis[:, 0], at_axis[:, 1]), at_axis[:, 2]))
    agrees = [
        (np.abs(np.abs(dr) - expected_dr) <= tolerance) & (np.abs(dz - expected_dz) <= tolerance)
        for expected_dr, expected_dz in definitions
    ]
    known = np.isfinite(dr) & np.isfinite(dz)
    if n_different := int(np.sum(known & ~np.logical_or(*agrees))):
        notes["tracks whose dr and dz are not the distances of their helix to the interaction point"] += n_different


def _likelihood_ratio(
    tracks: Particles, variable: str, settings: ConversionSettings, notes: Counter[str]
) -> FloatArray:
    """Return an identification variable; basf2 has NaN for tracks that it knows nothing about."""
    ratio = tracks.real(variable)
    missing = np.isnan(ratio)
    if missing.any():
        notes[f"tracks without {variable}, given {settings.missing_likelihood_ratio:g}"] += int(missing.sum())
        ratio = np.where(missing, settings.missing_likelihood_ratio, ratio)
    _require(tracks, np.isfinite(ratio), variable, ratio, BadNumberError, "not a likelihood ratio")
    return ratio
