"""Compilation of numerical kernels, typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(kernel: Kernel) -> Kernel:
    """Compile a kernel of loops over arrays to machine code, once per machine, and keep its type.

    For algorithms that have no array form, such as a search over pairs within each event.
    """
    return cast(Kernel, numba.njit(cache=True)(kernel))
