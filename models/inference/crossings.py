"""Where increasing functions cross zero, for a batch of functions evaluated together.

A crossing is only ever reported inside a bracket with a sign change, so it cannot be the end of a range.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.inference.compiled_model import Flags, Floats

Evaluate = Callable[[Floats, NDArray[np.intp]], Floats]
"""Function values at one position for each of the functions with the given indices; NaN where it failed."""

LARGEST_EXTENSION: Final = 4.0
"""An unbracketed search moves at most to this multiple of its distance from the lower end in one step."""


class Crossings(NamedTuple):
    """Result for each function, shapes (n_functions,)."""

    position: Floats
    """Crossing; NaN where none was found."""
    found: Flags


def find_crossings(
    evaluate: Evaluate,
    lower: Floats,
    value_at_lower: Floats,
    guess: Floats,
    *,
    relative_tolerance: float,
    maximum_iterations: int,
) -> Crossings:
    """Find the crossing of each function above its lower end.

    Parameters
    ----------
    evaluate
        The functions, each increasing through its crossing.
    lower
        Lower ends, shape (n_functions,).
    value_at_lower
        Negative function values there, shape (n_functions,).
    guess
        First positions to try, above `lower`.
    relative_tolerance
        Accuracy relative to the distance from the lower end.
    maximum_iterations
        Evaluations after which a search is given up.

    Examples
    --------
    >>> squares = find_crossings(
    ...     lambda x, which: x**2 - np.array([2.0, 9.0])[which],
    ...     np.zeros(2), np.array([-2.0, -9.0]), np.ones(2), relative_tolerance=1e-9, maximum_iterations=60,
    ... )
    >>> squares.position.round(8).tolist()
    [1.41421356, 3.0]
    """
    low, f_low = lower.astype(np.float64), value_at_lower.astype(np.float64)
    high = np.full_like(low, np.inf)
    last, f_last = low.copy(), f_low.copy()
    x = guess.astype(np.float64)
    position = np.full_like(low, np.nan)
    running = (f_low < 0) & (x > low)
    for _ in range(maximum_iterations):
        which = np.flatnonzero(running)
        if not which.size:
            break
        value = np.full_like(low, np.nan)
        value[which] = evaluate(x[which], which)
        running &= np.isfinite(value)
        low = np.where(running & (value < 0), x, low)
        high = np.where(running & (value >= 0), x, high)
        with np.errstate(invalid="ignore", divide="ignore"):
            secant = x - value * (x - last) / (value - f_last)
        tolerance = relative_tolerance * (x - lower)
        settled = np.abs(secant - x) < tolerance
        done = running & np.isfinite(high) & (settled | (high - low < tolerance))
        position[done] = np.clip(secant, low, high)[done]
        running &= ~done
        # Convergence from below alone would leave the crossing unproven: step just past it.
        secant = np.where(settled, secant + tolerance, secant)
        last, f_last = x, value
        x = np.where(np.isfinite(high), _between(low, high, secant), _beyond(lower, low, secant))
    return Crossings(position, np.isfinite(position))


def _between(low: Floats, high: Floats, secant: Floats) -> Floats:
    """Return the secant's position if it lies inside the bracket, else the bracket's middle."""
    with np.errstate(invalid="ignore"):
        inside = (secant > low) & (secant < high)
        position: Floats = np.where(inside, secant, 0.5 * (low + high))
    return position


def _beyond(lower: Floats, low: Floats, secant: Floats) -> Floats:
    """Return the secant's position, extended within limits while nothing above the crossing is known."""
    reach = low - lower
    forward = np.where(secant > low, secant - lower, LARGEST_EXTENSION * reach)
    position: Floats = lower + np.clip(forward, reach, LARGEST_EXTENSION * reach)
    return position
