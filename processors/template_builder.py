"""Histograms, signal models and scale factors to the templates of every mass point."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import IncompleteRunError
from models.normalisation import ScaleFactors
from models.scan_grid import MassPoint, ScanSettings, fit_edges_gev, sum_into_bins
from models.search import BACKGROUNDS, Process, Search
from models.signal_shape import SignalModel
from models.sparse_templates import BinnedMass, template_yields
from models.templates import MassPointTemplates, Template
from processors.histogram_files import HistogramManifest
from processors.histograms import SearchHistograms
from processors.regions import SIGNAL_REGION
from processors.scoring import NOMINAL
from processors.signal_samples import PROMPT_CTAU_MM, SignalModels
from processors.template_settings import TemplateSettings


class UniformComponent(NamedTuple):
    """The component that is uniform in mass."""

    yields: NDArray[np.float64]
    """Events per bin, shape (n_bins,)."""
    relative_error: float
    """Poisson uncertainty of its total, 1/√N."""


@dataclass(frozen=True)
class SearchTemplates:
    """One search's inputs, unpacked once and shared by all of its mass points."""

    search: Search
    luminosity_fb: float
    backgrounds: Mapping[Process, BinnedMass]
    """Mass distribution of each background in the signal region, nominal and variations."""
    variations: tuple[str, ...]
    """Names of the rows, nominal first."""
    data: NDArray[np.float64] | None
    """Observed counts in the atomic bins, None while blinded or opened in side bands only."""
    atomic_edges_gev: NDArray[np.float64]
    signal: SignalModels


def unpack_search(histograms: SearchHistograms, manifest: HistogramManifest, signal: SignalModels) -> SearchTemplates:
    """Return a search's signal-region contents as arrays.

    Parameters
    ----------
    histograms, manifest
        As loaded.
    signal
        Signal models of the same search.

    Raises
    ------
    IncompleteRunError
        If a variation of a background was filled in one direction only, or not at all for some component.
    """
    region = histograms.signal_region
    present = [process for process in BACKGROUNDS if process in region.axes["process"]]
    variations = (NOMINAL, *sorted(name for name in region.axes["variation"] if name != NOMINAL))
    for name in variations[1:]:
        if _other_direction(name) not in variations:
            raise IncompleteRunError(f"{manifest.search}: variation {name} was filled without its opposite")
    edges = np.asarray(region.axes["mass"].edges, dtype=np.float64)
    data = histograms.contents(SIGNAL_REGION, Process.DATA).value if manifest.opened_fraction > 0 else None
    share = manifest.signal_region_luminosity_fb / manifest.luminosity_fb
    return SearchTemplates(
        search=manifest.search,
        luminosity_fb=manifest.signal_region_luminosity_fb,
        backgrounds={
            process: BinnedMass(
                edges,
                share * np.stack([histograms.contents(SIGNAL_REGION, process, v).value for v in variations]),
                share**2 * histograms.contents(SIGNAL_REGION, process).variance,
                histograms.contents(SIGNAL_REGION, process).pairs.scaled(share),
            )
            for process in present
        },
        variations=variations,
        data=data,
        atomic_edges_gev=edges,
        signal=signal,
    )


def build_templates(
    point: MassPoint,
    inputs: SearchTemplates,
    scale_factors: ScaleFactors,
    scan: ScanSettings,
    settings: TemplateSettings,
    *,
    ctau_mm: float = PROMPT_CTAU_MM,
) -> MassPointTemplates:
    """Return everything that the likelihood of one mass point is made of.

    Parameters
    ----------
    point
        The hypothesis; its search is that of the inputs.
    inputs
        Of `unpack_search`.
    scale_factors
        Of the control-region fit.
    scan
        Bins of the fit.
    settings
        Sparse bins and the uniform component.
    ctau_mm
        Lifetime of φ, one of those that were simulated.

    Raises
    ------
    IncompleteRunError
        If the inputs are of another search, or there is no signal of that lifetime.
    """
    if point.search is not inputs.search:
        raise IncompleteRunError(f"{point.label}: is fitted in {point.search}, got histograms of {inputs.search}")
    if ctau_mm not in inputs.signal.models:
        raise IncompleteRunError(f"{point.label}: no signal was simulated at cτ = {ctau_mm:g} mm")
    sigma_gev = inputs.signal.prompt.resolution_gev(point.m_phi_gev)
    edges = fit_edges_gev(point, sigma_gev, scan)
    uniform = uniform_component(edges, inputs.luminosity_fb, settings.uniform_rate_per_fb_gev(point.search.channel))
    factors = scale_factors.for_templates()
    return MassPointTemplates(
        search=point.search,
        m_phi_gev=point.m_phi_gev,
        sigma_gev=sigma_gev,
        edges_gev=edges,
        signal=_signal_template(point, inputs.signal.models[ctau_mm], edges, inputs.luminosity_fb),
        backgrounds={
            process: _background_template(distribution, inputs.variations, edges, settings)
            for process, distribution in inputs.backgrounds.items()
        },
        scale_factors={process: _factor_of(factors, process, point) for process in inputs.backgrounds},
        uniform=uniform.yields,
        uniform_relative_error=uniform.relative_error,
        data=None if inputs.data is None else sum_into_bins(inputs.data, inputs.atomic_edges_gev, edges),
        scale_factor_modes=scale_factors.correlated_modes(),
    )


def uniform_component(
    edges_gev: NDArray[np.float64], luminosity_fb: float, rate_per_fb_gev: float | None
) -> UniformComponent:
    """Return the uniform-in-mass component in the bins of a fit.

    Parameters
    ----------
    edges_gev
        Bin edges that span the mass window, shape (n_bins + 1,).
    luminosity_fb
        Analysed luminosity.
    rate_per_fb_gev
        Events per fb⁻¹ and GeV; None for one event in the window.

    Examples
    --------
    >>> uniform_component(np.array([0.0, 0.1, 0.25]), 10.0, None).yields.tolist()
    [0.4, 0.6]
    """
    fractions = np.diff(edges_gev) / (edges_gev[-1] - edges_gev[0])
    total = 1.0 if rate_per_fb_gev is None else rate_per_fb_gev * luminosity_fb * (edges_gev[-1] - edges_gev[0])
    return UniformComponent(total * fractions, float(1.0 / np.sqrt(total)) if total > 0 else 0.0)


def _factor_of(
    factors: Mapping[Process, tuple[float, float]], process: Process, point: MassPoint
) -> tuple[float, float]:
    if process not in factors:
        raise IncompleteRunError(f"{point.label}: the control-region fit gave no scale factor for {process}")
    return factors[process]


def _background_template(
    distribution: BinnedMass, variations: tuple[str, ...], edges: NDArray[np.float64], settings: TemplateSettings
) -> Template:
    yields = template_yields(distribution, edges, minimum_effective=settings.minimum_effective_events)
    rows = dict(zip(variations, yields.values, strict=True))
    return Template(rows[NOMINAL], yields.stat_error, _paired(rows))


def _signal_template(
    point: MassPoint, models: Mapping[str, SignalModel], edges: NDArray[np.float64], luminosity_fb: float
) -> Template:
    rows = {
        variation: luminosity_fb
        * model.efficiency_at(point.m_phi_gev).value
        * model.template_fractions(point.m_phi_gev, edges)
        for variation, model in models.items()
    }
    nominal = rows[NOMINAL]
    efficiency = models[NOMINAL].efficiency_at(point.m_phi_gev)
    total = luminosity_fb * efficiency.value
    # multinomial uncertainty of the shape and binomial of the efficiency: two measurements, maybe of different samples
    shape_variance = (
        nominal * np.maximum(total - nominal, 0.0) / models[NOMINAL].effective_candidates_at(point.m_phi_gev)
    )
    relative = efficiency.error / efficiency.value if efficiency.value > 0 else 0.0
    return Template(nominal, np.sqrt(shape_variance + (relative * nominal) ** 2), _paired(rows))


def _paired(rows: Mapping[str, NDArray[np.float64]]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return source → (down, up) from variations by name."""
    sources = sorted({name.rsplit("_", 1)[0] for name in rows if name != NOMINAL})
    return {source: (rows[f"{source}_down"], rows[f"{source}_up"]) for source in sources}


def _other_direction(variation: str) -> str:
    source, direction = variation.rsplit("_", 1)
    return f"{source}_{'down' if direction == 'up' else 'up'}"
