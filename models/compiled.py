"""Compilation of numerical kernels, typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

import numba
from numba.core import entrypoints

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(kernel: Kernel) -> Kernel:
    """Compile a kernel of loops over arrays to machine code, once per machine, and keep its type.

    For algorithms that have no array form, such as a search over pairs within each event. As in numpy, division by
    zero gives infinity or NaN instead of ending the whole chunk; a kernel has to test for what can happen.
    """
    return cast(Kernel, numba.njit(cache=True, error_model="numpy")(kernel))


@contextmanager
def plain_arrays_only() -> Iterator[None]:
    """Call kernels without what other packages add to the compiler: a context for commands that have to start fast.

    The first call of a kernel imports every package that has types of its own for numba, awkward and vector among
    them, which takes longer than loading all kernels. Ours take plain arrays.
    """
    before = getattr(entrypoints, "_already_initialized", True)
    entrypoints._already_initialized = True
    try:
        yield
    finally:
        entrypoints._already_initialized = before
