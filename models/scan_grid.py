"""The mass points of the scan, the fit binning at each of them, and the mass axis that serves all of them.

Every edge lies on a fixed lattice, so that the union of the edges of all fits is an exact set: a histogram
filled in these atomic bins gives each mass point's template by summing whole bins, with nothing refilled.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.constants import JPSI_MASS_GEV, PSI2S_MASS_GEV
from models.coupling_conventions import ConventionName
from models.errors import ConfigurationError, LeptophileError
from models.search import Channel, Search
from models.settings import Settings


class MassRange(Settings):
    """Equally spaced masses of one channel's scan."""

    first_gev: float = Field(gt=0)
    """First mass."""
    last_gev: float = Field(gt=0)
    """Last mass, included."""
    step_gev: float = Field(gt=0)
    """Distance between neighbours."""


class ScanSettings(Settings):
    """Mass points and fit binning; the defaults are the published analysis' choices (arXiv:2207.07476)."""

    ee: MassRange = MassRange(first_gev=0.040, last_gev=0.210, step_gev=0.010)
    """Scan of the `ee` channel."""
    mumu: MassRange = MassRange(first_gev=0.225, last_gev=6.500, step_gev=0.025)
    """Scan of the `mumu` channel."""
    charmonium_veto_half_width_gev: float = Field(default=0.050, ge=0)
    """Masses this close to the J/ψ or ψ(2S) are left out of the `mumu` scan."""
    displaced_below_gev: float = 0.100
    """`ee` points below this mass use the displaced search."""
    xi_convention: ConventionName = ConventionName.PUBLISHED
    """Convention of the columns `xi_ul` and `xi_exp_…` of the limits table; the other one is in it as well."""
    window_half_width_sigma: float = Field(default=2.0, gt=0)
    """Half-width of the finely binned signal window, in units of the resolution σ(m_φ)."""
    minimum_inner_bins: int = Field(default=2, ge=1)
    """Fewest equal bins in the signal window."""
    maximum_inner_bins: int = Field(default=8, ge=1)
    """Most equal bins in the signal window; between the two, bins as wide as the display bins are aimed at."""
    display_bin_width_ee_gev: float = Field(default=0.0025, gt=0)
    """Bin width of the `ee` figures."""
    display_bin_width_mumu_gev: float = Field(default=0.010, gt=0)
    """Bin width of the `mumu` figures."""
    edge_lattice_gev: float = Field(default=1e-6, gt=0)
    """Spacing of the lattice that bin edges are rounded to; far below any resolution."""

    def display_bin_width_gev(self, channel: Channel) -> float:
        """Return the bin width of a channel's figures."""
        return self.display_bin_width_ee_gev if channel is Channel.EE else self.display_bin_width_mumu_gev


class BinningError(LeptophileError):
    """Bin edges do not fit together."""


class MassPoint(NamedTuple):
    """One hypothesis of the scan."""

    search: Search
    """The search whose candidates are fitted."""
    m_phi_gev: float
    """Mass of φ."""

    @property
    def label(self) -> str:
        """Name used in messages and file names.

        >>> MassPoint(Search.EE, 0.12).label
        'ee m0.120'
        """
        return f"{self.search.channel} m{self.m_phi_gev:.3f}"


def mass_points(settings: ScanSettings | None = None) -> tuple[MassPoint, ...]:
    """Return the mass points of the scan in ascending mass, each with the search it is fitted in.

    Parameters
    ----------
    settings
        The scan ranges; published ones if not given.

    Examples
    --------
    >>> points = mass_points()
    >>> len(points), points[0], points[-1].m_phi_gev
    (262, MassPoint(search=<Search.EE_DISPLACED: 'ee_displaced'>, m_phi_gev=0.04), 6.5)
    """
    settings = settings or ScanSettings()
    half_veto = settings.charmonium_veto_half_width_gev
    ee = _masses(settings.ee)
    mumu = _masses(settings.mumu)
    vetoed = (np.abs(mumu - JPSI_MASS_GEV) < half_veto) | (np.abs(mumu - PSI2S_MASS_GEV) < half_veto)
    points = [
        MassPoint(Search.EE_DISPLACED if mass < settings.displaced_below_gev else Search.EE, float(mass)) for mass in ee
    ]
    return (*points, *(MassPoint(Search.MUMU, float(mass)) for mass in mumu[~vetoed]))


def stretch_ends(points: Sequence[MassPoint], settings: ScanSettings) -> list[int]:
    """Return where ordered mass points are to be split into stretches that are scanned without a gap.

    A stretch ends where the next point is of another channel or more than one step away: at a veto, or a failed point.

    Parameters
    ----------
    points
        In the order of channels and ascending mass.
    settings
        The steps of the scan.

    Examples
    --------
    >>> points = mass_points()
    >>> [points[end].m_phi_gev for end in stretch_ends(points, ScanSettings())]
    [0.225, 3.15, 3.75]
    """
    steps = {Channel.EE: settings.ee.step_gev, Channel.MUMU: settings.mumu.step_gev}
    return [
        i
        for i, (point, following) in enumerate(pairwise(points), start=1)
        if following.search.channel is not point.search.channel
        or following.m_phi_gev - point.m_phi_gev > _GAP * steps[point.search.channel]
    ]


_GAP: Final = 1.5
"""Neighbouring mass points further apart than this many steps of the scan are not neighbours."""


def _masses(masses: MassRange) -> NDArray[np.float64]:
    steps = (masses.last_gev - masses.first_gev) / masses.step_gev
    if steps < 0 or abs(steps - round(steps)) > 1e-6:
        msg = (
            f"scan from {masses.first_gev} to {masses.last_gev} GeV is not a whole number of steps of {masses.step_gev}"
        )
        raise ConfigurationError(msg)
    return np.round(masses.first_gev + masses.step_gev * np.arange(round(steps) + 1), 9)


def _window_on_lattice(search: Search, lattice_gev: float) -> tuple[int, int]:
    """Return the search window in lattice units, widened so that threshold candidates stay inside."""
    low, high = search.window
    return int(np.floor(low / lattice_gev)), int(np.ceil(high / lattice_gev - 1e-6))


def _from_lattice(indices: NDArray[np.int64], lattice_gev: float) -> NDArray[np.float64]:
    return np.asarray(np.round(indices * lattice_gev, 9), dtype=np.float64)


def fit_edges_gev(point: MassPoint, sigma_gev: float, settings: ScanSettings) -> NDArray[np.float64]:
    """Return the bin edges of one mass point's fit.

    One bin from threshold to m_φ − 2σ, equal bins across m_φ ± 2σ, one bin to the end of the window. A side
    bin that has no width is dropped, and the inner window then ends where the search's window does.

    Parameters
    ----------
    point
        The hypothesis.
    sigma_gev
        Signal mass resolution σ(m_φ).
    settings
        Window, number of bins and lattice.

    Raises
    ------
    BinningError
        If the resolution leaves no room for the inner bins.

    Examples
    --------
    >>> fit_edges_gev(MassPoint(Search.EE, 0.1), 0.002, ScanSettings()).tolist()
    [0.001021, 0.096, 0.098667, 0.101333, 0.104, 0.25]
    """
    if not (np.isfinite(sigma_gev) and sigma_gev > 0):
        raise BinningError(f"{point.label}: the mass resolution is {sigma_gev} GeV, which gives no bins")
    lattice = settings.edge_lattice_gev
    low, high = _window_on_lattice(point.search, lattice)
    half_width = settings.window_half_width_sigma * sigma_gev
    first = max(low, round((point.m_phi_gev - half_width) / lattice))
    last = min(high, round((point.m_phi_gev + half_width) / lattice))
    wanted = round(2 * half_width / settings.display_bin_width_gev(point.search.channel))
    n_inner = int(np.clip(wanted, settings.minimum_inner_bins, settings.maximum_inner_bins))
    inner = np.round(np.linspace(first, last, n_inner + 1)).astype(np.int64)
    edges = np.unique(np.concatenate(([low], inner, [high])))
    if np.any(np.diff(inner) < 1):
        raise BinningError(f"{point.label}: {n_inner} bins do not fit into ±{half_width:.6f} GeV")
    return _from_lattice(edges, lattice)


def display_edges_gev(search: Search, settings: ScanSettings) -> NDArray[np.float64]:
    """Return the bin edges of a search's figures: multiples of the display width inside the window, and its ends."""
    lattice = settings.edge_lattice_gev
    low, high = _window_on_lattice(search, lattice)
    width = settings.display_bin_width_gev(search.channel) / lattice
    multiples = np.round(np.arange(int(low / width) + 1, int(np.ceil(high / width))) * width).astype(np.int64)
    return _from_lattice(np.unique(np.concatenate(([low], multiples, [high]))), lattice)


def union_of_edges_gev(
    search: Search, sigma_gev: Callable[[float], float], settings: ScanSettings
) -> NDArray[np.float64]:
    """Return the atomic mass bins of a search: every fit's edges and the display edges together.

    Parameters
    ----------
    search
        Whose mass points are served.
    sigma_gev
        Resolution as a function of m_φ, both in GeV.
    settings
        Scan and binning.
    """
    points = [point for point in mass_points(settings) if point.search is search]
    fits = [fit_edges_gev(point, sigma_gev(point.m_phi_gev), settings) for point in points]
    return np.unique(np.concatenate([display_edges_gev(search, settings), *fits]))


def sum_into_bins(
    contents: NDArray[np.float64], atomic_edges_gev: NDArray[np.float64], edges_gev: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum atomic bins along the last axis into wider ones.

    Parameters
    ----------
    contents
        Bin contents, shape (..., n_atomic).
    atomic_edges_gev
        Their edges, shape (n_atomic + 1,).
    edges_gev
        Wanted edges, each of which must be an atomic one, shape (n + 1,).

    Returns
    -------
    Sums, shape (..., n).

    Raises
    ------
    BinningError
        If a wanted edge is not an atomic edge.

    Examples
    --------
    >>> sum_into_bins(np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 2.0, 3.0])).tolist()
    [3.0, 4.0]
    """
    where = _positions(atomic_edges_gev, edges_gev)
    kept = contents[..., where[0] : where[-1]]
    sums: NDArray[np.float64] = np.add.reduceat(kept, where[:-1] - where[0], axis=-1)
    return sums


def bins_within(atomic_edges_gev: NDArray[np.float64], edges_gev: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the wider bin that each atomic bin is in, −1 for none, shape (n_atomic,); arguments as `sum_into_bins`.

    >>> bins_within(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 2.0])).tolist()
    [0, 0, -1]
    """
    where = _positions(atomic_edges_gev, edges_gev)
    group = np.full(len(atomic_edges_gev) - 1, -1, dtype=np.int64)
    group[where[0] : where[-1]] = np.repeat(np.arange(len(where) - 1), np.diff(where))
    return group


def _positions(atomic_edges_gev: NDArray[np.float64], edges_gev: NDArray[np.float64]) -> NDArray[np.intp]:
    where = np.searchsorted(atomic_edges_gev, edges_gev)
    missing = (where == len(atomic_edges_gev)) | (
        atomic_edges_gev[np.minimum(where, len(atomic_edges_gev) - 1)] != edges_gev
    )
    if np.any(missing):
        raise BinningError(f"bin edge {edges_gev[missing][0]:.6f} GeV is not an edge of the filled mass axis")
    return where
