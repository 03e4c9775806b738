"""Interpolation between systematic variations as pyhf does it, with derivatives.

Source: K. Cranmer et al., HistFactory (CERN-OPEN-2012-016), section 4.1; the codes are pyhf's to the letter: its code 2
extrapolates differently from that paper.
"""

import numpy as np

from models.compiled import compiled
from models.inference.compiled_model import Floats


@compiled
def interpolated_factor(
    code: int, alpha: float, log_up: float, log_down: float, polynomial: Floats
) -> tuple[float, float]:
    """Return a scalar factor and its derivative.

    Parameters
    ----------
    code
        1: exponential; 4: exponential beyond ±1, a polynomial of sixth order in between.
    alpha
        Parameter in standard deviations.
    log_up, log_down
        ln of the factors at +1 and −1.
    polynomial
        Coefficients of `polynomial_coefficients`, shape (6,); used by code 4.
    """
    if code == 4 and -1.0 < alpha < 1.0:
        value, slope = 0.0, 0.0
        for power in range(5, -1, -1):
            slope = slope * alpha + (power + 1) * polynomial[power]
            value = (value + polynomial[power]) * alpha
        return 1.0 + value, slope
    if alpha > 0.0:
        value = np.exp(alpha * log_up)
        return value, log_up * value
    value = np.exp(-alpha * log_down)
    return value, -log_down * value


@compiled
def interpolated_shift(code: int, alpha: float, up: float, down: float) -> tuple[float, float]:
    """Return an additive shift of one bin and its derivative.

    Parameters
    ----------
    code
        0: piecewise linear; 2: quadratic within ±1; 4: linear beyond ±1, a smooth polynomial in between (code4p).
    alpha
        Parameter in standard deviations.
    up, down
        Varied less nominal at +1, nominal less varied at −1.
    """
    if code == 2:
        bend, slope = 0.5 * (up - down), 0.5 * (up + down)
        if alpha > 1.0:
            return (slope + 2.0 * bend) * (alpha - 1.0), slope + 2.0 * bend
        if alpha >= -1.0:
            return (bend * alpha + slope) * alpha, 2.0 * bend * alpha + slope
        return (slope - 2.0 * bend) * alpha, slope - 2.0 * bend
    if code == 4 and -1.0 <= alpha <= 1.0:
        mean, bend = 0.5 * (up + down), 0.0625 * (up - down)
        square = alpha * alpha
        value = alpha * (mean + alpha * bend * (15.0 + square * (3.0 * square - 10.0)))
        return value, mean + alpha * bend * (30.0 + square * (18.0 * square - 40.0))
    if alpha > 0.0:
        return alpha * up, up
    return alpha * down, down


def polynomial_coefficients(up: Floats, down: Floats) -> Floats:
    """Return the polynomials of code 4 for factors at ±1, shape (n, 6).

    They join the exponentials with continuous first and second derivatives.

    >>> polynomial_coefficients(np.array([1.1]), np.array([0.9])).sum().round(12).item()
    0.1
    """
    log_up, log_down = np.log(up), np.log(down)
    # Odd and even parts decouple: value, slope and curvature at +1 fix three coefficients each.
    odd, even = 0.5 * (up - down), 0.5 * (up + down) - 1.0
    odd_slope, even_slope = 0.5 * (log_up * up - log_down * down), 0.5 * (log_up * up + log_down * down)
    odd_bend, even_bend = 0.5 * (log_up**2 * up - log_down**2 * down), 0.5 * (log_up**2 * up + log_down**2 * down)
    return np.stack(
        [
            0.125 * (15.0 * odd - 7.0 * odd_slope + odd_bend),
            0.125 * (24.0 * even - 9.0 * even_slope + even_bend),
            0.25 * (-5.0 * odd + 5.0 * odd_slope - odd_bend),
            0.25 * (-12.0 * even + 7.0 * even_slope - even_bend),
            0.125 * (3.0 * odd - 3.0 * odd_slope + odd_bend),
            0.125 * (8.0 * even - 5.0 * even_slope + even_bend),
        ],
        axis=-1,
    )
