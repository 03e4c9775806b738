"""Where a two-track vertex may be: the crossings of the two circles that the tracks draw in the transverse plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix, move_pivot

FloatArray = NDArray[np.float64]


def vertex_starts(helix_a: Helix, helix_b: Helix) -> FloatArray:
    """Return two starting points of the fit of each pair, the one nearer to the z axis first.

    Two circles cross in two points, and in the transverse plane both are as good a vertex. Circles that do not
    cross give their point of closest approach, twice.

    Parameters
    ----------
    helix_a, helix_b
        The tracks about the origin, arrays of shape (n_pairs,).

    Returns
    -------
    Fit parameters, shape (n_pairs, 2, 9): vertex (x, y, z) in mm, then (φ, ω, tan λ) of either track there.
    """
    crossings = _circle_crossings(helix_a, helix_b)
    nearer = np.argsort(np.sum(crossings**2, axis=-1), axis=-1)
    crossings = np.take_along_axis(crossings, nearer[:, :, np.newaxis], axis=1)
    pivots = np.concatenate([crossings, np.zeros((*crossings.shape[:2], 1))], axis=-1)
    at_a, at_b = (
        move_pivot(Helix(*(parameter[:, np.newaxis] for parameter in helix)), pivots)[0] for helix in (helix_a, helix_b)
    )
    starts = np.empty((*crossings.shape[:2], 9))
    starts[..., :2] = crossings
    starts[..., 2] = 0.5 * (at_a.z0 + at_b.z0)
    for first, helix in ((3, at_a), (6, at_b)):
        starts[..., first] = helix.phi0
        starts[..., first + 1] = helix.omega
        starts[..., first + 2] = helix.tan_lambda
    return starts


def _circle_crossings(helix_a: Helix, helix_b: Helix) -> FloatArray:
    """Return the crossings of two circles, or twice the point nearest to both, shape (n_pairs, 2, 2)."""
    centre_a, radius_a = _circle(helix_a)
    centre_b, radius_b = _circle(helix_b)
    between = centre_b - centre_a
    distance = np.hypot(between[:, 0], between[:, 1])
    concentric = distance == 0.0
    safe_distance = np.where(concentric, 1.0, distance)
    # For circles about one centre any direction serves; that of the perigee keeps the start near the beam.
    toward_origin = -centre_a / np.maximum(np.hypot(centre_a[:, 0], centre_a[:, 1]), 1.0)[:, np.newaxis]
    axis = np.where(concentric[:, np.newaxis], toward_origin, between / safe_distance[:, np.newaxis])

    along = (distance**2 + (radius_a - radius_b) * (radius_a + radius_b)) / (2.0 * safe_distance)
    half_chord2 = (radius_a - along) * (radius_a + along)
    # Apart: halfway between the facing sides. One inside the other: halfway between the sides facing the same way.
    side_a = np.where((distance < radius_b - radius_a), -radius_a, radius_a)
    side_b = np.where((distance < radius_a - radius_b), distance + radius_b, distance - radius_b)
    apart = (half_chord2 <= 0.0) | concentric
    along = np.where(apart, 0.5 * (side_a + side_b), along)
    half_chord = np.sqrt(np.where(apart, 0.0, half_chord2))

    middle = centre_a + along[:, np.newaxis] * axis
    chord = half_chord[:, np.newaxis] * np.stack([-axis[:, 1], axis[:, 0]], axis=-1)
    return np.stack([middle + chord, middle - chord], axis=1)


def _circle(helix: Helix) -> tuple[FloatArray, FloatArray]:
    signed_radius = 1.0 / helix.omega
    from_origin = helix.d0 + signed_radius
    centre = np.stack([from_origin * np.sin(helix.phi0), -from_origin * np.cos(helix.phi0)], axis=-1)
    return centre, np.abs(signed_radius)
