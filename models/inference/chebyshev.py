"""Polynomial interpolation through Chebyshev nodes."""

import numpy as np

from models.inference.compiled_model import Floats


def chebyshev_nodes(low: float, high: float, n_nodes: int) -> Floats:
    """Return the nodes in an interval, ends not included, shape (n_nodes,)."""
    angle = (np.arange(n_nodes) + 0.5) * np.pi / n_nodes
    nodes: Floats = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(angle)
    return nodes


def interpolation(low: float, high: float, n_nodes: int, targets: Floats) -> Floats:
    """Return weights of the nodes' values in the polynomial at other positions, shape (n_nodes, n_targets).

    Source: J.-P. Berrut, L. N. Trefethen, SIAM Review 46 (2004) 501, eq. 4.2 and section 5.

    >>> nodes = chebyshev_nodes(0.0, 2.0, 12)
    >>> (np.exp(nodes) @ interpolation(0.0, 2.0, 12, np.array([0.0, 1.0, 2.0]))).round(5).tolist()
    [1.0, 2.71828, 7.38906]
    """
    angle = (np.arange(n_nodes) + 0.5) * np.pi / n_nodes
    distance = targets[None, :] - chebyshev_nodes(low, high, n_nodes)[:, None]
    exact = distance == 0.0
    weights: Floats = (np.sin(angle) * (-1.0) ** np.arange(n_nodes))[:, None] / np.where(exact, 1.0, distance)
    weights /= weights.sum(axis=0)
    hit = exact.any(axis=0)
    weights[:, hit] = exact[:, hit]
    return weights
