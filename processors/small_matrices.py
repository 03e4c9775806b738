"""Compiled linear algebra on matrices of a few rows, for use inside compiled loops.

Library calls would spend most of their time on their own overhead; array expressions would do for the vectors, but take
the compiler seconds where loops take it a tenth.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled

FloatArray = NDArray[np.float64]

SMALLEST_PIVOT = 1e-13
"""Pivot, relative to the diagonal, below which a matrix is singular to double precision."""


@compiled
def copy_into(source: FloatArray, target: FloatArray) -> None:
    """Copy all elements to an array of the same shape."""
    for i in range(source.size):
        target.flat[i] = source.flat[i]


@compiled
def add_to(step: FloatArray, target: FloatArray) -> None:
    """Add a vector to another in place."""
    for i in range(step.size):
        target[i] += step[i]


@compiled
def dot(a: FloatArray, b: FloatArray) -> float:
    """Return the scalar product of two vectors."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@compiled
def factorise(matrix: FloatArray, size: int) -> bool:
    """Replace the lower triangle of a symmetric matrix by its Cholesky factor; false if it is not positive definite."""
    for i in range(size):
        diagonal = matrix[i, i]
        for j in range(i + 1):
            value = matrix[i, j]
            for k in range(j):
                value -= matrix[i, k] * matrix[j, k]
            if i == j:
                if not value > SMALLEST_PIVOT * diagonal:
                    return False
                matrix[i, i] = math.sqrt(value)
            else:
                matrix[i, j] = value / matrix[j, j]
    return True


@compiled
def solve(factor: FloatArray, size: int, vector: FloatArray) -> None:
    """Replace `vector` by the solution of a system whose matrix has been factorised."""
    for i in range(size):
        for k in range(i):
            vector[i] -= factor[i, k] * vector[k]
        vector[i] /= factor[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            vector[i] -= factor[k, i] * vector[k]
        vector[i] /= factor[i, i]
