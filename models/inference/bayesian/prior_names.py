"""Names of the priors of the cross-section; `models.inference.bayesian.priors` says what they are."""

from enum import StrEnum
from typing import Final


class XsecPrior(StrEnum):
    """Names of the priors."""

    FLAT_XSEC = "flat_xsec"
    FLAT_XI = "flat_xi"
    JEFFREYS = "jeffreys"

    @property
    def code(self) -> int:
        """Number under which compiled kernels know it."""
        return _CODES.index(self)


_CODES: Final = (XsecPrior.FLAT_XSEC, XsecPrior.FLAT_XI, XsecPrior.JEFFREYS)
