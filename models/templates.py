"""The binned inputs of one mass point's likelihood: what histograms hand to the statistical model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.search import Process, Search


@dataclass(frozen=True)
class Template:
    """Expected yields of one component in the bins of a fit, shape (n_bins,) throughout.

    Backgrounds are in events at the analysis luminosity, *before* scale factors; the signal is in
    events per fb of σ(e⁺e⁻→τ⁺τ⁻φ)·B(φ→ℓℓ).
    """

    nominal: NDArray[np.float64]
    stat_error: NDArray[np.float64]
    """Square root of the summed squared weights: the simulation's statistical uncertainty."""
    variations: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(default_factory=dict)
    """Systematic source → (down, up) yields with the source moved by one standard deviation."""


@dataclass(frozen=True)
class MassPointTemplates:
    """Everything about one mass point that its pyhf workspace is built from."""

    search: Search
    m_phi_gev: float
    sigma_gev: float
    """Signal mass resolution σ(m_φ) that set the bin edges."""
    edges_gev: NDArray[np.float64]
    """Bin edges in m(ℓℓ), shape (n_bins + 1,)."""
    signal: Template
    backgrounds: Mapping[Process, Template]
    scale_factors: Mapping[Process, tuple[float, float]]
    """Background → (scale factor, its relative uncertainty)."""
    uniform: NDArray[np.float64]
    """Events of the uniform-in-mass component for processes the simulation lacks, shape (n_bins,)."""
    uniform_relative_error: float
    data: NDArray[np.float64] | None
    """Observed counts, or None while the search is blinded."""
    scale_factor_modes: Mapping[str, Mapping[Process, float]] = field(default_factory=dict)
    """Independent source → background → relative change of its scale factor at one standard deviation: the
    uncertainties of `scale_factors` with their correlations (`models.normalisation.ScaleFactors.correlated_modes`)."""
