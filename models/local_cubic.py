"""Interpolation by the cubic through the two nearest nodes on either side: smooth quantities known at few points."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class NodeWeights(NamedTuple):
    """What each node contributes to an interpolated value."""

    node: NDArray[np.intp]
    """Nodes that contribute, at most four."""
    weight: FloatArray
    """Their weights, which add up to one; same shape."""

    def value(self, values: FloatArray) -> float:
        """Return the interpolated value of a quantity of shape (n_nodes,)."""
        return float(self.weight @ values[self.node])

    def error(self, errors: FloatArray) -> float:
        """Return its uncertainty from independent ones at the nodes, shape (n_nodes,)."""
        return float(np.linalg.norm(self.weight * errors[self.node]))


def local_cubic(nodes: FloatArray, at: float) -> NodeWeights:
    """Return the weights of the nodes for the value at some place.

    Between nodes it is Lagrange's polynomial through the two nodes on either side, or as many as there are: a parabola
    next to an end. Beyond the outermost nodes it is constant.

    Parameters
    ----------
    nodes
        Ascending, shape (n_nodes,), n_nodes ≥ 1.
    at
        Where the value is wanted.

    Examples
    --------
    >>> nodes = np.array([0.0, 1.0, 3.0, 4.0, 7.0])
    >>> round(local_cubic(nodes, 2.0).value(nodes**3), 12)
    8.0
    >>> local_cubic(nodes, 9.0).value(nodes**3), local_cubic(nodes, 3.0).value(nodes**3)
    (343.0, 27.0)
    """
    above = int(np.searchsorted(nodes, at))
    if above in (0, len(nodes)):
        return NodeWeights(np.array([min(above, len(nodes) - 1)]), np.ones(1))
    index = np.arange(max(above - 2, 0), min(above + 2, len(nodes)))
    chosen = nodes[index]
    separate = ~np.eye(len(index), dtype=bool)
    factors = np.divide(
        at - chosen, np.subtract.outer(chosen, chosen), out=np.ones((len(index), len(index))), where=separate
    )
    return NodeWeights(index, factors.prod(axis=1))
