"""Priors of the cross-section, by name.

All are for cross-sections at and above zero and need no normalisation. With signal s_b and background b_b expected in
the bins at the nominal nuisance parameters:

=============  ==============================  =================================================================
name           density in the cross-section    meaning
=============  ==============================  =================================================================
``flat_xsec``  constant                        the published choice (arXiv:2207.07476)
``flat_xi``    xsec^(−1/2)                     flat in the coupling ξ, since xsec ∝ ξ²
``jeffreys``   √(Σ_b s_b² / (b_b + xsec s_b))  Jeffreys' rule for the counts with nuisance parameters held at their
                                               nominal values: the root of the expected information on xsec
=============  ==============================  =================================================================

The last one depends on the model and not on the observations, as a prior has to. Those that are not flat may diverge at
zero but are integrable there; per unit of the root of the cross-section all are finite, so integrals are done in the
root.
"""

import math
from typing import Final

import numpy as np

from models.compiled import compiled
from models.inference.bayesian.prior_names import XsecPrior
from models.inference.compiled_model import Floats

_SMALLEST_XSEC: Final = 1e-300
"""Stands in for zero where a density is a quotient whose limit at zero is finite."""


def log_prior(prior: XsecPrior, xsec: Floats, background: Floats, signal: Floats) -> Floats:
    """Return ln of the prior density per unit of the cross-section, shape of `xsec`.

    Parameters
    ----------
    prior
        Its name.
    xsec
        Cross-sections at or above zero, in the unit of the parameter of interest. At zero a prior may be infinite.
    background, signal
        Expected background, and signal for a cross-section of one, at the nominal nuisance parameters, (n_bins,).

    Examples
    --------
    >>> log_prior(XsecPrior.FLAT_XI, np.array([0.25, 1.0]), np.zeros(1), np.ones(1)).round(6).tolist()
    [0.693147, 0.0]
    """
    root = np.sqrt(xsec)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_root = np.array([prior_in_root(prior.code, x, background, signal) for x in root.ravel()])
        density = np.log(per_root.reshape(root.shape)) - np.log(2.0 * root)
    return np.where(root > 0, density, 0.0 if prior is XsecPrior.FLAT_XSEC else np.inf)


@compiled
def prior_in_root(code: int, root: float, background: Floats, signal: Floats) -> float:
    """Return the prior density per unit of the root of the cross-section, finite everywhere.

    Parameters
    ----------
    code
        Of the prior.
    root
        Root of a cross-section, at or above zero.
    background, signal
        As for `log_prior`.

    Examples
    --------
    >>> prior_in_root(XsecPrior.JEFFREYS.code, 0.0, np.zeros(1), np.ones(1))
    2.0
    """
    if code == 0:
        return 2.0 * root
    if code == 1:
        return 2.0
    information = 0.0
    xsec = max(root * root, _SMALLEST_XSEC)
    for b in range(signal.size):
        if signal[b] > 0.0:
            # Times the cross-section, which is the square of the change of variable.
            information += signal[b] / (background[b] / (xsec * signal[b]) + 1.0)
    return 2.0 * math.sqrt(information)
