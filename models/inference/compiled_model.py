"""A HistFactory model as flat arrays, in the form that compiled kernels read.

Vocabulary: a *term* is one sample in one channel; a *cell* is one bin of a term. The expected events of a cell are

    (Π scalar factors) · (nominal + Σ additive shifts) · (Π factors of that bin),

with the parameter of interest left out of the scalar factors of signal terms, in which the rates are linear. A
parameter is *local* if all it does is to scale cells of one single bin (Monte Carlo statistics), else *global*:
minimisation and integration treat the many local parameters bin by bin.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]


class Constraint(IntEnum):
    """Type of a parameter's constraint term."""

    NONE = 0
    NORMAL = 1
    POISSON = 2


class CompiledModel(NamedTuple):
    """Arrays of one model; parameters and bins are numbered as pyhf numbers them.

    ``x_start`` fields are offsets: the entries of term (cell, bin) i are ``x_start[i]`` to ``x_start[i + 1]``.
    """

    poi: int
    """Index of the parameter of interest."""
    n_bins: int
    n_globals: int

    term_first_bin: Indices
    """Bin of the first cell of each term, shape (n_terms,)."""
    term_start: Indices
    """Cells of each term; they lie in consecutive bins."""
    term_is_signal: Flags
    """Whether the parameter of interest scales the term."""
    nominal: Floats
    """Events of each cell, shape (n_cells,)."""

    linear_start: Indices
    """Scalar factors of each term that are a parameter itself (normfactor, lumi)."""
    linear_parameter: Indices
    norm_start: Indices
    """Interpolated scalar factors of each term (normsys)."""
    norm_parameter: Indices
    norm_log_up: Floats
    """ln of the factor at +1."""
    norm_log_down: Floats
    """ln of the factor at −1."""
    norm_polynomial: Floats
    """Coefficients of the powers 1 to 6 between −1 and 1, shape (n_norms, 6)."""
    norm_code: int
    """pyhf's interpolation code: 1 or 4."""
    shift_start: Indices
    """Additive shifts of each term (histosys)."""
    shift_parameter: Indices
    shift_offset: Indices
    """Position of each shift's first bin in `shift_up` and `shift_down`."""
    shift_up: Floats
    """Varied less nominal events at +1, bin by bin."""
    shift_down: Floats
    """Nominal less varied events at −1, bin by bin."""
    shift_code: int
    """pyhf's interpolation code: 0, 2, or 4 for its code4p."""
    scale_start: Indices
    """Factors of each cell (staterror, shapesys, shapefactor)."""
    scale_parameter: Indices

    slot: Indices
    """Number of each global parameter among the global ones, −1 for local ones, shape (n_parameters,)."""
    global_parameter: Indices
    """Parameter of each slot, shape (n_globals,)."""
    local_start: Indices
    """Local parameters of each bin."""
    local_parameter: Indices

    constraint: Indices
    """`Constraint` of each parameter, shape (n_parameters,)."""
    width: Floats
    """Standard deviation of a normal constraint, 1/√factor of a Poisson one, 1 without, shape (n_parameters,)."""
    factor: Floats
    """Auxiliary events per unit of the parameter in a Poisson constraint, 1 elsewhere."""
    auxiliary: Floats
    """Nominal auxiliary observation of each parameter, 0 without a constraint."""
    auxiliary_parameter: Indices
    """Parameter of each auxiliary observation in pyhf's order, shape (n_auxiliary,)."""
    initial: Floats
    lower: Floats
    """Lower bounds that the workspace gives, shape (n_parameters,)."""
    upper: Floats
    fixed: Flags


class ModelNames(NamedTuple):
    """What the numbers of a `CompiledModel` stand for."""

    parameters: tuple[str, ...]
    samples: tuple[str, ...]
    """All samples, sorted."""
    term_sample: tuple[str, ...]
    """Sample of each term."""
    channels: tuple[str, ...]
    """Channels in the order of their bins."""
    channel_start: tuple[int, ...]
    """First bin of each channel, and the number of bins."""

    def bin_label(self, index: int) -> str:
        """Return a bin's name for messages, counting from zero.

        >>> ModelNames((), (), (), ("cr", "sr"), (0, 2, 5)).bin_label(3)
        'bin 1 of channel sr'
        """
        channel = int(np.searchsorted(self.channel_start, index, side="right")) - 1
        return f"bin {index - self.channel_start[channel]} of channel {self.channels[channel]}"


def offsets(counts: Any) -> Indices:
    """Return where each of consecutive groups of entries starts, and the total.

    >>> offsets([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(np.asarray(counts, dtype=np.int64))]).astype(np.int64)
