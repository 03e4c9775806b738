"""The compiled inner loop of the vertex fit: a damped least-squares fit of nine parameters to two helices.

Parameters: the vertex (x, y, z), then (φ, ω, tan λ) of either track at the vertex. Measurements: the perigee
parameters of either track. The signed curvature is the same at the vertex and at the perigee.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled
from processors.small_matrices import add_to, copy_into, dot, factorise, solve

FloatArray = NDArray[np.float64]

N_PARAMETERS = 9
CONVERGED = 0
NOT_CONVERGED = 1
DEGENERATE = 2
BAD_COVARIANCE = 3

FIRST_DAMPING = 1e-8
"""Damping, relative to the diagonal, after the first step that made the fit worse."""
LARGEST_DAMPING = 1e9
"""Beyond which no step can improve a fit in double precision."""


@compiled
def perigee(vertex: FloatArray, track: FloatArray, helix: FloatArray, slopes: FloatArray) -> None:
    """Compute the perigee parameters, shape (5,), of a track from a vertex, and their derivatives, shape (5, 6).

    The same helix as `models.helix.helix_from_vertex`, with derivatives by (x, y, z, φ, ω, tan λ).
    """
    x, y, z = vertex[0], vertex[1], vertex[2]
    phi, omega, tan_lambda = track[0], track[1], track[2]
    sine, cosine = math.sin(phi), math.cos(phi)
    across = x * sine - y * cosine
    along = x * cosine + y * sine
    centre_across = 1.0 + omega * across
    centre_along = omega * along
    scale2 = centre_across * centre_across + centre_along * centre_along
    scale = math.sqrt(scale2)
    sine0 = (sine * centre_across + cosine * centre_along) / scale
    cosine0 = (cosine * centre_across - sine * centre_along) / scale
    turn = math.atan2(centre_along, centre_across)
    radius2 = x * x + y * y
    d0 = (omega * radius2 + 2.0 * across) / (1.0 + scale)

    helix[0] = d0
    helix[1] = phi + turn
    helix[2] = omega
    helix[3] = z - turn / omega * tan_lambda
    helix[4] = tan_lambda

    slopes.fill(0.0)
    slopes[0, 0] = sine0
    slopes[0, 1] = -cosine0
    slopes[0, 3] = along / scale
    slopes[0, 4] = (radius2 - d0 * (across + omega * radius2) / scale) / (1.0 + scale)
    slopes[1, 0] = omega * cosine0 / scale
    slopes[1, 1] = omega * sine0 / scale
    slopes[1, 3] = centre_across / scale2
    slopes[1, 4] = along / scale2
    slopes[2, 4] = 1.0
    slopes[3, 0] = -tan_lambda * cosine0 / scale
    slopes[3, 1] = -tan_lambda * sine0 / scale
    slopes[3, 2] = 1.0
    slopes[3, 3] = tan_lambda * (across * centre_across + along * centre_along) / scale2
    slopes[3, 4] = tan_lambda * (turn / omega - along / scale2) / omega
    slopes[3, 5] = -turn / omega
    slopes[4, 5] = 1.0


@compiled
def normal_equations(
    parameters: FloatArray, measured: FloatArray, factors: FloatArray, matrix: FloatArray, gradient: FloatArray
) -> float:
    """Fill JᵀWJ, shape (9, 9), and JᵀWr, shape (9,), at `parameters`; return χ² = rᵀWr."""
    helix = np.empty(5)
    slopes = np.empty((5, 6))
    residual = np.empty(5)
    where = np.empty(6, dtype=np.int64)
    matrix.fill(0.0)
    gradient.fill(0.0)
    chi2 = 0.0
    for track in range(2):
        first = 3 + 3 * track
        perigee(parameters[:3], parameters[first : first + 3], helix, slopes)
        for i in range(5):
            residual[i] = measured[track, i] - helix[i]
        residual[1] -= 2.0 * math.pi * round(residual[1] / (2.0 * math.pi))
        # Divide by the Cholesky factor of the covariance: afterwards residuals are independent and of unit width.
        for i in range(5):
            for k in range(i):
                residual[i] -= factors[track, i, k] * residual[k]
                for j in range(6):
                    slopes[i, j] -= factors[track, i, k] * slopes[k, j]
            residual[i] /= factors[track, i, i]
            for j in range(6):
                slopes[i, j] /= factors[track, i, i]
            chi2 += residual[i] * residual[i]
        for j in range(3):
            where[j] = j
            where[3 + j] = first + j
        for a in range(6):
            for i in range(5):
                gradient[where[a]] += slopes[i, a] * residual[i]
            for b in range(a + 1):
                product = 0.0
                for i in range(5):
                    product += slopes[i, a] * slopes[i, b]
                matrix[where[a], where[b]] += product
    return chi2


@compiled
def fit_from(
    parameters: FloatArray,
    measured: FloatArray,
    factors: FloatArray,
    covariance: FloatArray,
    max_iterations: int,
    tolerance: float,
    max_sigma_mm: float,
) -> tuple[float, int]:
    """Improve `parameters`, shape (9,), in place and fill their covariance; return χ² and status.

    Levenberg–Marquardt: plain Gauss–Newton as long as every step lowers χ², damped after one that does not, with the
    damping of H. B. Nielsen (IMM-REP-1999-05, Technical University of Denmark). Nearly parallel tracks make a long,
    narrow and curved valley of χ², which plain Gauss–Newton overshoots. The normal matrix is scaled to unit diagonal,
    so that damping and the test for singularity know no units.
    """
    matrix = np.empty((N_PARAMETERS, N_PARAMETERS))
    trial_matrix = np.empty((N_PARAMETERS, N_PARAMETERS))
    factor = np.empty((N_PARAMETERS, N_PARAMETERS))
    gradient = np.empty(N_PARAMETERS)
    trial_gradient = np.empty(N_PARAMETERS)
    scale = np.empty(N_PARAMETERS)
    step = np.zeros(N_PARAMETERS)
    trial = np.empty(N_PARAMETERS)
    chi2 = normal_equations(parameters, measured, factors, matrix, gradient)
    damping, growth = 0.0, 2.0
    status = NOT_CONVERGED
    for _ in range(max_iterations):
        regular = _newton_step(matrix, gradient, 0.0, scale, factor, step)
        gain = dot(step, gradient)
        if regular and gain < tolerance * (1.0 + chi2):
            # So near the minimum a last step needs no test and squares the remaining distance.
            add_to(step, parameters)
            status = CONVERGED
            break
        if damping > 0.0 or not regular:
            damping = max(damping, FIRST_DAMPING)
            _newton_step(matrix, gradient, damping, scale, factor, step)
            gain = dot(step, gradient)
            for i in range(N_PARAMETERS):
                gain += damping * (step[i] * scale[i]) ** 2
        copy_into(parameters, trial)
        add_to(step, trial)
        trial_chi2 = normal_equations(trial, measured, factors, trial_matrix, trial_gradient)
        if trial_chi2 < chi2:
            damping *= max(1.0 / 3.0, 1.0 - (2.0 * (chi2 - trial_chi2) / gain - 1.0) ** 3)
            growth = 2.0
            copy_into(trial, parameters)
            copy_into(trial_matrix, matrix)
            copy_into(trial_gradient, gradient)
            chi2 = trial_chi2
        else:
            damping = max(damping * growth, FIRST_DAMPING)
            growth *= 2.0
            if damping > LARGEST_DAMPING:
                break
    regular = _scaled_factor(matrix, 0.0, scale, factor)
    if not regular:
        # The covariance of the damped fit is finite but too small: the status says so.
        _scaled_factor(matrix, FIRST_DAMPING, scale, factor)
    for i in range(N_PARAMETERS):
        step.fill(0.0)
        step[i] = 1.0
        solve(factor, N_PARAMETERS, step)
        for j in range(N_PARAMETERS):
            covariance[i, j] = step[j] / (scale[i] * scale[j])
    spread = covariance[0, 0] + covariance[1, 1] + covariance[2, 2]
    if not regular or spread > max_sigma_mm * max_sigma_mm:
        status = DEGENERATE
    return chi2, status


@compiled
def _scaled_factor(matrix: FloatArray, damping: float, scale: FloatArray, factor: FloatArray) -> bool:
    """Factorise the normal matrix scaled to diagonal 1 + `damping`; false if it is singular."""
    for i in range(N_PARAMETERS):
        scale[i] = math.sqrt(matrix[i, i])
    for i in range(N_PARAMETERS):
        for j in range(i):
            factor[i, j] = matrix[i, j] / (scale[i] * scale[j])
        factor[i, i] = 1.0 + damping
    return bool(factorise(factor, N_PARAMETERS))


@compiled
def _newton_step(
    matrix: FloatArray, gradient: FloatArray, damping: float, scale: FloatArray, factor: FloatArray, step: FloatArray
) -> bool:
    """Fill the step that the damped quadratic model asks for; false, and no step, if the matrix is singular."""
    if not _scaled_factor(matrix, damping, scale, factor):
        return False
    for i in range(N_PARAMETERS):
        step[i] = gradient[i] / scale[i]
    solve(factor, N_PARAMETERS, step)
    for i in range(N_PARAMETERS):
        step[i] /= scale[i]
    return True


@compiled
def fit_pairs(
    measured: FloatArray,
    measured_covariance: FloatArray,
    starts: FloatArray,
    max_iterations: int,
    tolerance: float,
    max_sigma_mm: float,
    ambiguous_chi2: float,
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int8]]:
    """Fit every pair from its starting points; return parameters, their covariance, χ² and status.

    The start nearer to the z axis is tried first. Another is tried when that fit fails or is poor, and wins only
    if it alone converges or its χ² is lower by `ambiguous_chi2`.
    """
    n_pairs, n_starts = starts.shape[0], starts.shape[1]
    parameters = np.zeros((n_pairs, N_PARAMETERS))
    covariance = np.zeros((n_pairs, N_PARAMETERS, N_PARAMETERS))
    chi2 = np.full(n_pairs, np.inf)
    status = np.full(n_pairs, BAD_COVARIANCE, dtype=np.int8)
    factors = np.empty((2, 5, 5))
    trial = np.empty(N_PARAMETERS)
    trial_covariance = np.empty((N_PARAMETERS, N_PARAMETERS))
    for pair in range(n_pairs):
        copy_into(measured_covariance[pair], factors)
        if not (factorise(factors[0], 5) and factorise(factors[1], 5)):
            continue
        for start in range(n_starts):
            copy_into(starts[pair, start], trial)
            trial_chi2, trial_status = fit_from(
                trial, measured[pair], factors, trial_covariance, max_iterations, tolerance, max_sigma_mm
            )
            if not (math.isfinite(trial_chi2) and np.isfinite(trial_covariance).all()):
                # The covariance spans more than double precision does.
                continue
            converges, converged = trial_status == CONVERGED, status[pair] == CONVERGED
            clearly_better = converges == converged and trial_chi2 < chi2[pair] - ambiguous_chi2
            if np.isinf(chi2[pair]) or clearly_better or (converges and not converged):
                copy_into(trial, parameters[pair])
                copy_into(trial_covariance, covariance[pair])
                chi2[pair] = trial_chi2
                status[pair] = trial_status
            if status[pair] == CONVERGED and chi2[pair] < ambiguous_chi2:
                break
    return parameters, covariance, chi2, status
