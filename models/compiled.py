"""Compilation of numerical kernels, typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(kernel: Kernel) -> Kernel:
    """Compile a kernel of loops over arrays to machine code, once per machine, and keep its type.

    For algorithms that have no array form, such as a search over pairs within each event. As in numpy, division by
    zero gives infinity or NaN instead of ending the whole chunk; a kernel has to test for what can happen.
    """
    return cast(Kernel, numba.njit(cache=True, error_model="numpy")(kernel))
