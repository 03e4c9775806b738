"""Vertex fit of track pairs: the point two helices come from, and their momenta there.

A full Billoir fit (P. Billoir and S. Qian, Nucl. Instrum. Meth. A 311 (1992) 139): three vertex coordinates and three
track parameters at the vertex for either track are fitted to the ten measured helix parameters with their covariance,
linearised anew at every iteration. One degree of freedom is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from models.constants import CURVATURE_PER_TESLA_GEV_PER_MM
from models.helix import Helix
from models.kinematics import mass_of, with_mass
from processors import vertex_kernel
from processors.configuration import VertexFitSettings
from processors.vertex_start import vertex_starts

FloatArray = NDArray[np.float64]


class VertexStatus(IntEnum):
    """How a vertex fit ended."""

    CONVERGED = vertex_kernel.CONVERGED
    """At a minimum, with a meaningful covariance."""
    NOT_CONVERGED = vertex_kernel.NOT_CONVERGED
    """Steps ran out; position and χ² are the best found."""
    DEGENERATE = vertex_kernel.DEGENERATE
    """The tracks are parallel within their errors: they don't define a point along their flight."""
    BAD_COVARIANCE = vertex_kernel.BAD_COVARIANCE
    """A covariance is not finite and positive definite to double precision; nothing was fitted."""
    BAD_HELIX = 4
    """A helix parameter is not finite, or the curvature is zero; nothing was fitted."""


@dataclass(frozen=True)
class VertexFit:
    """Fitted vertices of track pairs. Where nothing was fitted, χ² and mass error are infinite and the rest zero."""

    position_mm: FloatArray
    """Vertex, shape (n_pairs, 3)."""
    momentum_gev: FloatArray
    """Momenta of both tracks at the vertex, shape (n_pairs, 2, 3)."""
    covariance: FloatArray
    """Joint covariance of vertex, first and second momentum, shape (n_pairs, 9, 9), in mm and GeV."""
    chi2: FloatArray
    """χ² of one degree of freedom (ten measured parameters less nine fitted ones), shape (n_pairs,)."""
    mass_gev: FloatArray
    """Invariant mass at the vertex under the mass hypothesis, shape (n_pairs,)."""
    mass_error_gev: FloatArray
    """Its standard deviation, shape (n_pairs,)."""
    status: NDArray[np.int8]
    """`VertexStatus` of each fit, shape (n_pairs,)."""

    @property
    def position_covariance_mm2(self) -> FloatArray:
        """Covariance of the vertex, shape (n_pairs, 3, 3)."""
        return self.covariance[:, :3, :3]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Where the fit is good to use."""
        return np.equal(self.status, VertexStatus.CONVERGED)


def fit_vertices(
    helix_a: Helix,
    covariance_a: FloatArray,
    helix_b: Helix,
    covariance_b: FloatArray,
    mass_gev: float,
    field_tesla: float,
    settings: VertexFitSettings | None = None,
) -> VertexFit:
    """Fit pairs of tracks to common vertices.

    Parameters
    ----------
    helix_a, helix_b
        The tracks about the origin, arrays of shape (n_pairs,).
    covariance_a, covariance_b
        Covariances of their parameters (d0, φ0, ω, z0, tan λ), shape (n_pairs, 5, 5), in mm and rad.
    mass_gev
        Mass hypothesis of both tracks.
    field_tesla
        Field along +z.
    settings
        Convergence and degeneracy criteria.

    Returns
    -------
    Finite numbers and a status for every pair, whatever the input.

    Notes
    -----
    Two tracks that bend towards each other cross twice. The fit takes the crossing nearer to the z axis, where the
    beams are, unless the farther one is better by `ambiguous_chi2`.

    Examples
    --------
    >>> from models.helix import helix_from_vertex
    >>> vertex = np.array([[3.0, 4.0, 5.0]])
    >>> tracks = [helix_from_vertex(vertex, [[1.0, s * 0.1, 0.2]], [s], 1.5) for s in (-1, 1)]
    >>> covariance = np.diag([0.05**2, 1e-6, 1e-12, 0.05**2, 1e-6])[np.newaxis]
    >>> fit = fit_vertices(tracks[0], covariance, tracks[1], covariance, 0.000511, 1.5)
    >>> fit.position_mm.round(6).tolist(), fit.mass_gev.round(6).tolist()
    ([[3.0, 4.0, 5.0]], [0.200003])
    """
    settings = settings or VertexFitSettings()
    measured = np.stack([helix_a.parameters(), helix_b.parameters()], axis=1)
    covariance = np.stack([covariance_a, covariance_b], axis=1)
    good_helix = np.isfinite(measured).all(axis=(1, 2)) & (measured[:, :, 2] != 0.0).all(axis=1)
    good_covariance = np.isfinite(covariance).all(axis=(1, 2, 3))
    usable = np.flatnonzero(good_helix & good_covariance)

    n_pairs = len(measured)
    position = np.zeros((n_pairs, 3))
    momentum = np.zeros((n_pairs, 2, 3))
    joint_covariance = np.zeros((n_pairs, 9, 9))
    chi2 = np.full(n_pairs, np.inf)
    mass, mass_error = np.zeros(n_pairs), np.full(n_pairs, np.inf)
    status = np.where(good_helix, VertexStatus.BAD_COVARIANCE, VertexStatus.BAD_HELIX).astype(np.int8)

    starts = vertex_starts(*(Helix.from_parameters(measured[usable, track]) for track in range(2)))
    parameters, parameter_covariance, chi2[usable], status[usable] = vertex_kernel.fit_pairs(
        measured[usable],
        covariance[usable],
        starts,
        settings.max_iterations,
        settings.tolerance,
        settings.max_sigma_mm,
        settings.ambiguous_chi2,
    )
    fitted = status[usable] != VertexStatus.BAD_COVARIANCE
    usable, parameters, parameter_covariance = usable[fitted], parameters[fitted], parameter_covariance[fitted]
    position[usable] = parameters[:, :3]
    momentum[usable], joint_covariance[usable] = _cartesian(parameters, parameter_covariance, field_tesla)
    mass[usable], mass_error[usable] = pair_mass(momentum[usable], joint_covariance[usable], mass_gev)
    return VertexFit(position, momentum, joint_covariance, chi2, mass, mass_error, status)


def pair_mass(momentum_gev: FloatArray, covariance: FloatArray, mass_gev: float) -> tuple[FloatArray, FloatArray]:
    """Return the invariant mass of fitted pairs and its error under a mass hypothesis.

    Parameters
    ----------
    momentum_gev
        Momenta at the vertex, shape (n_pairs, 2, 3).
    covariance
        Joint covariance as in `VertexFit`, shape (n_pairs, 9, 9).
    mass_gev
        Mass of each track, positive.

    Returns
    -------
    Mass and its standard deviation in GeV, shape (n_pairs,).

    Notes
    -----
    ∂m/∂p_i = (E p_i/E_i − P)/m with the pair's energy E and momentum P.
    """
    tracks = with_mass(momentum_gev, mass_gev)
    pair = tracks.sum(axis=1)
    mass = mass_of(pair)
    velocity = tracks[..., :3] / tracks[..., 3:]
    slope = (pair[:, np.newaxis, 3:] * velocity - pair[:, np.newaxis, :3]) / mass[:, np.newaxis, np.newaxis]
    flat_slope = slope.reshape(-1, 6)
    variance = np.einsum("ni,nij,nj->n", flat_slope, covariance[:, 3:, 3:], flat_slope)
    return mass, np.sqrt(np.maximum(variance, 0.0))


def _cartesian(
    parameters: FloatArray, parameter_covariance: FloatArray, field_tesla: float
) -> tuple[FloatArray, FloatArray]:
    """Return momenta, shape (n, 2, 3), and the covariance with (φ, ω, tan λ) replaced by momenta, shape (n, 9, 9)."""
    phi, omega, tan_lambda = np.moveaxis(parameters[:, 3:].reshape(-1, 2, 3), -1, 0)
    transverse = field_tesla * CURVATURE_PER_TESLA_GEV_PER_MM / np.abs(omega)
    direction = np.stack([np.cos(phi), np.sin(phi), tan_lambda], axis=-1)
    momentum = transverse[..., np.newaxis] * direction
    jacobian = np.zeros((len(parameters), 9, 9))
    jacobian[:, range(3), range(3)] = 1.0
    for track in range(2):
        first = 3 + 3 * track
        rows = slice(first, first + 3)
        jacobian[:, first, first] = -momentum[:, track, 1]
        jacobian[:, first + 1, first] = momentum[:, track, 0]
        jacobian[:, rows, first + 1] = -momentum[:, track] / omega[:, track, np.newaxis]
        jacobian[:, first + 2, first + 2] = transverse[:, track]
    return momentum, jacobian @ parameter_covariance @ np.swapaxes(jacobian, 1, 2)
