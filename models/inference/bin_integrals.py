"""A Poisson probability averaged over one random factor: Monte Carlo statistics integrated out of a bin.

The rate of a bin is a + c·t with t from a standard normal distribution within bounds, or from a gamma distribution: the
posterior of a parameter with a normal or Poisson constraint. Small counts have closed forms; otherwise the integrand is
nearly Gaussian around its mode, which solves a quadratic equation (as in R. Barlow, C. Beeston, Comput. Phys. Commun.
77 (1993) 219), and Gauss–Hermite quadrature there is exact to better than 1e-4; where a bound is near, Gauss–Legendre
quadrature takes over. Constants that depend on the count alone are left out.
"""

import math
from typing import Final

import numpy as np

from models.compiled import compiled

HERMITE_NODES, HERMITE_WEIGHTS = np.polynomial.hermite.hermgauss(8)
LEGENDRE_NODES, LEGENDRE_WEIGHTS = np.polynomial.legendre.leggauss(18)
NO_TAIL: Final = 6.0
"""Standard deviations beyond which a tail of a normal distribution is nothing."""
FAR_APART: Final = 8.0
"""Standard deviations between two bounds that make one of the tails negligible."""
REACH: Final = 5.5
"""Standard deviations around the mode that an integration covers."""
LARGEST_SKEWNESS: Final = 0.3
"""Largest third derivative, in units of the width, that Gauss–Hermite quadrature is trusted with."""
SMALL_SKEWNESS: Final = 0.08
"""The same for Laplace's method to second order, which needs no quadrature."""
LARGEST_SUM: Final = 40.0
"""Counts up to which the closed sum over a gamma distribution is used."""


@compiled
def log_normal_tail(x: float) -> float:
    """Return ln of the probability of a standard normal above x.

    >>> round(log_normal_tail(0.0), 6), round(log_normal_tail(40.0), 3)
    (-0.693147, -804.608)
    """
    if x > 25.0:
        square = 1.0 / (x * x)
        return -0.5 * x * x - math.log(x * math.sqrt(2.0 * math.pi)) + math.log1p(-square * (1.0 - 3.0 * square))
    return math.log(0.5 * math.erfc(x / math.sqrt(2.0)))


@compiled
def log_displaced_normal(c: float, low: float, high: float) -> float:
    """Return ln ∫ exp(−c t) exp(−t²/2) dt/√2π from `low` to `high`: a normal distribution displaced by −c.

    >>> round(log_displaced_normal(2.0, -np.inf, np.inf), 6), round(log_displaced_normal(0.0, 0.0, np.inf), 6)
    (2.0, -0.693147)
    """
    near, far = low + c, high + c
    if near < -NO_TAIL and far > NO_TAIL:
        return 0.5 * c * c
    tail = log_normal_tail(near)
    if far - near > FAR_APART and far > NO_TAIL:
        return 0.5 * c * c + tail
    beyond = log_normal_tail(far) - tail
    return 0.5 * c * c + tail + (math.log1p(-math.exp(beyond)) if beyond > -37.0 else 0.0)


@compiled
def log_normal_average(count: float, a: float, c: float, low: float, high: float) -> float:
    """Return ln ∫ (a + c t)ⁿ exp(−a − c t) exp(−t²/2) dt/√2π from `low` to `high`.

    Parameters
    ----------
    count
        n, at least 0.
    a, c
        The rate at t = 0 and its slope, at least 0; where the rate is negative the integrand vanishes.
    low, high
        Bounds of t.
    """
    if c <= 0.0:
        if a <= 0.0 and count > 0.0:
            return -np.inf
        return (count * math.log(a) if count > 0.0 else 0.0) - a
    if a + c * low < 0.0:
        low = -a / c
    if count <= 0.0:
        return log_displaced_normal(c, low, high) - a
    half = 0.5 * (a - c * c)
    root = math.sqrt(half * half + count * c * c)
    rate = half + root if half > 0.0 else count * c * c / (root - half)
    mode = (rate - a) / c
    informed = count * (c / rate) ** 2
    width = 1.0 / math.sqrt(1.0 + informed)
    # Third derivative in units of the width: how far the integrand is from a Gaussian.
    skewness = 2.0 * informed * (c / rate) * width**3
    if skewness < SMALL_SKEWNESS and mode - REACH * width > low and mode + REACH * width < high:
        # Laplace's method to second order; the next terms are of the fourth power of the skewness.
        correction = 5.0 / 24.0 * skewness * skewness - 0.75 * informed * (c / rate * width * width) ** 2
        return count * math.log(rate) - rate - 0.5 * mode * mode + math.log(width * (1.0 + correction))
    if skewness < LARGEST_SKEWNESS and mode - REACH * width > low and mode + REACH * width < high:
        total, stretch = 0.0, math.sqrt(2.0) * width
        for k in range(HERMITE_NODES.size):
            node = HERMITE_NODES[k]
            t = stretch * node
            relative = c * t / rate
            if relative > -1.0:
                # Logarithm of the integrand, less that at the mode.
                log_ratio = count * math.log1p(relative) - c * t - t * (mode + 0.5 * t)
                total += HERMITE_WEIGHTS[k] * math.exp(log_ratio + node * node)
        return count * math.log(rate) - rate - 0.5 * mode * mode + math.log(total * width / math.sqrt(math.pi))
    start = min(max(mode, low), high)
    at_start = a + c * start
    if at_start <= 0.0:
        start = low + 1e-3 * width
        at_start = a + c * start
    slope = c * (count / at_start - 1.0) - start
    # At a bound the integrand falls at least as fast as its slope there says.
    above = width * (REACH + 10.0 * skewness)
    below = REACH * width
    if mode < low:
        above = 60.0 / (-slope + math.sqrt(slope * slope + 60.0))
    if mode > high:
        below = 60.0 / (slope + math.sqrt(slope * slope + 60.0))
    first, last = max(low, start - below), min(high, start + above)
    centre, half_width = 0.5 * (first + last), 0.5 * (last - first)
    total = 0.0
    for k in range(LEGENDRE_NODES.size):
        t = centre + half_width * LEGENDRE_NODES[k]
        there = a + c * t
        if there > 0.0:
            log_ratio = count * math.log(there / at_start) - c * (t - start) - 0.5 * (t * t - start * start)
            total += LEGENDRE_WEIGHTS[k] * math.exp(log_ratio)
    if total <= 0.0:
        return -np.inf
    constant = math.log(total * half_width / math.sqrt(2.0 * math.pi))
    return count * math.log(at_start) - at_start - 0.5 * start * start + constant


@compiled
def log_gamma_average(count: float, a: float, c: float, shape: float) -> float:
    """Return ln ∫ (a + c t)ⁿ exp(−a − c t) tᵏ⁻¹ exp(−t) dt/Γ(k) over t > 0.

    Parameters
    ----------
    count
        n, at least 0.
    a, c
        The rate at t = 0 and its slope, at least 0.
    shape
        k, at least 1.
    """
    at_zero = -a - shape * math.log1p(c)
    if count <= 0.0:
        return at_zero
    if c <= 0.0:
        return count * math.log(a) - a if a > 0.0 else -np.inf
    if count <= LARGEST_SUM and count == math.floor(count):
        # The binomial theorem: every power of t has its moment, Γ(k + j)/Γ(k)/(1 + c)^(k + j).
        ratio = c / (1.0 + c)
        term, total, n = 1.0, 1.0, int(count)
        if a > ratio * shape:
            for j in range(n):
                term *= (n - j) / (j + 1.0) * (ratio / a) * (shape + j)
                total += term
            return at_zero + n * math.log(a) + math.log(total)
        # The same sum from its other end.
        for j in range(n, 0, -1):
            term *= j / (n - j + 1.0) * (a / ratio) / (shape + j - 1.0)
            total += term
        leading = math.lgamma(shape + n) - math.lgamma(shape) + n * math.log(ratio)
        return at_zero + leading + math.log(total)
    power = shape - 1.0
    linear = (1.0 + c) * a - (count + power) * c
    square = (1.0 + c) * c
    root = math.sqrt(linear * linear + 4.0 * square * power * a)
    mode = (root - linear) / (2.0 * square) if linear <= 0.0 else 2.0 * power * a / (root + linear)
    rate = a + c * mode
    bend = count * (c / rate) ** 2 + (power / (mode * mode) if mode > 0.0 else 0.0)
    width = 1.0 / math.sqrt(bend) if bend > 0.0 else np.inf
    if mode <= 0.0:
        # The integrand falls from zero on.
        width = min(width, 1.0 / (1.0 + c - count * c / a))
    first = max(0.0, mode - REACH * width)
    last = mode + width * (REACH + 20.0 / math.sqrt(1.0 + (mode / width) ** 2))
    centre, half_width = 0.5 * (first + last), 0.5 * (last - first)
    total = 0.0
    for k in range(LEGENDRE_NODES.size):
        t = centre + half_width * LEGENDRE_NODES[k]
        log_ratio = count * math.log((a + c * t) / rate) - (1.0 + c) * (t - mode)
        if power > 0.0:
            log_ratio += power * math.log(t / mode)
        total += LEGENDRE_WEIGHTS[k] * math.exp(log_ratio)
    at_mode = count * math.log(rate) - a - (1.0 + c) * mode + (power * math.log(mode) if power > 0.0 else 0.0)
    return at_mode + math.log(total * half_width) - math.lgamma(shape)
