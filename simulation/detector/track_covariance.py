"""The covariance of measured perigee parameters: a measurement part and a multiple-scattering part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.helix import Helix
from simulation.detector.configuration import TrackingConfig

FloatArray = NDArray[np.float64]

D0, PHI0, OMEGA, Z0, TAN_LAMBDA = range(5)


def track_covariance(
    helix: Helix, mass_gev: FloatArray, production_radius_mm: FloatArray, tracking: TrackingConfig
) -> FloatArray:
    """Return the covariance matrix of the measured perigee parameters of each track.

    The sum of two parts D ρ D, each a fixed correlation matrix ρ scaled by the resolutions D, is positive definite
    because both are. The diagonal reproduces σ(p_t)/p_t = a p_t ⊕ b/β and the impact-parameter resolutions
    a ⊕ b/(pβ sin^{3/2}θ), a ⊕ b/(pβ sin^{5/2}θ) exactly.

    Parameters
    ----------
    helix
        True perigee parameters, arrays of shape (n,).
    mass_gev
        Shape (n,).
    production_radius_mm
        Transverse distance of the production vertex to the z axis, shape (n,): layers inside it are lost.
    tracking
        Resolutions.

    Returns
    -------
    Shape (n, 5, 5), in mm, rad, mm⁻¹, mm and 1.
    """
    lost = np.searchsorted(np.array(tracking.silicon_radii_mm), production_radius_mm)
    measurement = _measurement_resolution(lost, tracking)
    scattering = _scattering_resolution(helix, mass_gev, lost, tracking)
    return (
        measurement[:, :, None] * _measurement_correlation(tracking) * measurement[:, None, :]
        + scattering[:, :, None] * _scattering_correlation(tracking) * scattering[:, None, :]
    )


def _measurement_resolution(lost: NDArray[np.intp], tracking: TrackingConfig) -> FloatArray:
    angular = np.array(tracking.angular_degradation)[lost]
    # σ(ω)/|ω| = a p_t: with |ω| ∝ 1/p_t this is a constant σ(ω).
    curvature_scale = tracking.curvature_slope_per_gev * tracking.curvature_of_1_gev_per_mm
    return np.stack(
        [
            tracking.d0_resolution_mm * np.array(tracking.transverse_degradation)[lost],
            tracking.phi0_resolution_rad * angular,
            curvature_scale * np.array(tracking.curvature_degradation)[lost],
            tracking.z0_resolution_mm * np.array(tracking.longitudinal_degradation)[lost],
            tracking.tan_lambda_resolution * angular,
        ],
        axis=-1,
    )


def _scattering_resolution(
    helix: Helix, mass_gev: FloatArray, lost: NDArray[np.intp], tracking: TrackingConfig
) -> FloatArray:
    inverse_sine = np.sqrt(1.0 + helix.tan_lambda**2)
    momentum = tracking.curvature_of_1_gev_per_mm / np.abs(helix.omega) * inverse_sine
    beta = momentum / np.hypot(momentum, mass_gev)
    transverse = tracking.d0_scattering_mm_gev * inverse_sine**1.5 / (momentum * beta)
    longitudinal = tracking.z0_scattering_mm_gev * inverse_sine**2.5 / (momentum * beta)
    return np.stack(
        [
            transverse * np.array(tracking.transverse_degradation)[lost],
            transverse / tracking.scattering_radius_mm,
            tracking.curvature_scattering / beta * np.abs(helix.omega),
            longitudinal * np.array(tracking.longitudinal_degradation)[lost],
            longitudinal / tracking.scattering_radius_mm,
        ],
        axis=-1,
    )


def _measurement_correlation(tracking: TrackingConfig) -> FloatArray:
    correlation = np.eye(5)
    correlation[D0, PHI0] = tracking.measurement_correlation_d0_phi0
    correlation[D0, OMEGA] = tracking.measurement_correlation_d0_omega
    correlation[PHI0, OMEGA] = tracking.measurement_correlation_phi0_omega
    correlation[Z0, TAN_LAMBDA] = tracking.measurement_correlation_z0_tan_lambda
    return np.asarray(correlation + correlation.T - np.eye(5))


def _scattering_correlation(tracking: TrackingConfig) -> FloatArray:
    # A scattering by α at radius R turns φ0 by α about the layer, which moves d0 by +Rα; in λ, z0 moves by −R·α.
    correlation = np.eye(5)
    correlation[D0, PHI0] = tracking.scattering_correlation
    correlation[Z0, TAN_LAMBDA] = -tracking.scattering_correlation
    return np.asarray(correlation + correlation.T - np.eye(5))


def smear(helix: Helix, covariance: FloatArray, rng: np.random.Generator) -> Helix:
    """Return measured perigee parameters: the true ones plus Gaussian errors of the given covariance.

    Parameters
    ----------
    helix
        True parameters, arrays of shape (n,).
    covariance
        Positive definite, shape (n, 5, 5).
    rng
        Source of random numbers.
    """
    # Factorise the correlation: the covariance itself spans ten orders of magnitude.
    deviation = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    factor = np.linalg.cholesky(covariance / (deviation[:, :, None] * deviation[:, None, :]))
    error = deviation * np.einsum("nij,nj->ni", factor, rng.standard_normal((len(covariance), 5)))
    measured = Helix.from_parameters(helix.parameters() + error)
    wrapped = np.arctan2(np.sin(measured.phi0), np.cos(measured.phi0))
    return measured._replace(phi0=wrapped)
