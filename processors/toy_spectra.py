"""Background-only toys of the underlying mass spectrum: every mass point sees the same events.

A toy draws every systematic once, for all searches together, lets the simulated samples fluctuate within their own
statistics, and then throws events in the atomic bins of the mass axis. Mass points sum whole atomic bins, so that
neighbours, whose windows overlap, share events, as they do in data. Searches have events of their own: those that the
displaced search shares with the ee search are drawn twice, which counts two chances where there is somewhat more than
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.inference.configuration import SystematicsSettings
from models.inference.shape_variations import split_variation
from models.search import Process
from models.sparse_templates import BinnedMass, template_yields
from models.templates import Template
from processors.template_builder import SearchTemplates, uniform_component
from processors.template_settings import TemplateSettings

Floats = NDArray[np.float64]
LUMINOSITY: Final = "lumi"


def systematic_names(
    searches: Mapping[str, SearchTemplates], factor_sources: Mapping[str, Mapping[Process, float]]
) -> tuple[str, ...]:
    """Return every systematic that is common to all toys of some search, sorted.

    Parameters
    ----------
    searches
        Their variations.
    factor_sources
        As for `expected_spectra`.
    """
    names = {LUMINOSITY}
    for inputs in searches.values():
        names |= {name.rsplit("_", 1)[0] for name in inputs.variations[1:]}
        names |= {name for name, shifts in factor_sources.items() if shifts.keys() & inputs.backgrounds.keys()}
    return tuple(sorted(names))


def draw_systematics(names: tuple[str, ...], n_toys: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Return systematic → its pull in every toy, standard normal, shape (n_toys,)."""
    return {name: rng.standard_normal(n_toys) for name in names}


def expected_spectra(
    inputs: SearchTemplates,
    scale_factors: Mapping[Process, tuple[float, float]],
    factor_sources: Mapping[str, Mapping[Process, float]],
    pulls: Mapping[str, Floats],
    templates: TemplateSettings,
    systematics: SystematicsSettings,
    rng: np.random.Generator | None,
) -> Floats:
    """Return the background expected in each atomic bin in each toy, shape (n_toys, n_atomic).

    Parameters
    ----------
    inputs
        One search.
    scale_factors
        Background → (scale factor, its relative uncertainty).
    factor_sources
        Independent source → background → relative change of its scale factor (`ScaleFactors.sources`).
    pulls
        Of `draw_systematics`.
    templates
        Sparse bins and the uniform component, which stays as it is.
    systematics
        Size of the luminosity's uncertainty, and guards on variations as in the workspaces.
    rng
        Fluctuates the simulated samples: every atomic bin of each process is drawn from a gamma distribution with the
        mean and variance of its contents. Copies of generated events make bins covary; here the variance of each has
        its covariances with all others added, so that wide sums fluctuate as they should. None: no fluctuations.
    """
    n_toys = len(pulls[LUMINOSITY])
    total = np.zeros((n_toys, inputs.atomic_edges_gev.size - 1))
    for process, distribution in inputs.backgrounds.items():
        normalisation = np.full(n_toys, scale_factors[process][0])
        for name, shifts in factor_sources.items():
            if process not in shifts:
                # perhaps a source of backgrounds that no search has, which no toy pulls
                continue
            shift = shifts[process]
            normalisation *= (1.0 + abs(shift)) ** (np.sign(shift) * pulls[name])
        spectrum, template = _fluctuated(distribution, inputs.variations, templates, n_toys, rng)
        if template.nominal.any():
            total += normalisation[:, None] * spectrum * _response(template, pulls, systematics)
    total *= np.maximum(1.0 + systematics.luminosity_relative * pulls[LUMINOSITY], 0.0)[:, None]
    rate = templates.uniform_rate_per_fb_gev(inputs.search.channel)
    total += uniform_component(inputs.atomic_edges_gev, inputs.luminosity_fb, rate).yields
    return total


def _fluctuated(
    distribution: BinnedMass,
    variations: tuple[str, ...],
    settings: TemplateSettings,
    n_toys: int,
    rng: np.random.Generator | None,
) -> tuple[Floats, Template]:
    """Return a process' spectrum in every toy (n_toys, n_atomic), and its nominal template with variations."""
    nominal = np.maximum(distribution.values[0], 0.0)
    variance = distribution.variance + distribution.pairs.row_sums(nominal.size)
    samples = np.repeat(nominal[None, :], n_toys, axis=0)
    if rng is not None:
        filled = (nominal > 0) & (variance > 0)
        scale = variance[filled] / nominal[filled]
        samples[:, filled] = rng.standard_gamma(nominal[filled] / scale, size=(n_toys, int(filled.sum()))) * scale
    # Bins are widened as in the templates of the fits; toys are more rows of the same distribution.
    rows = distribution._replace(values=np.concatenate([distribution.values, samples]))
    yields = template_yields(rows, distribution.edges_gev, minimum_effective=settings.minimum_effective_events)
    values = np.maximum(yields.values, 0.0)
    named = dict(zip(variations, values, strict=False))
    sources = {name.rsplit("_", 1)[0] for name in variations[1:]}
    pairs = {source: (named[f"{source}_down"], named[f"{source}_up"]) for source in sorted(sources)}
    return values[len(variations) :], Template(values[0], yields.stat_error, pairs)


def _response(template: Template, pulls: Mapping[str, Floats], systematics: SystematicsSettings) -> Floats:
    """Return the factor that the systematics make on a template, shape (n_toys, n_atomic)."""
    n_toys = len(pulls[LUMINOSITY])
    log_yield, shape = np.zeros(n_toys), np.ones((n_toys, template.nominal.size))
    filled = template.nominal > 0
    for source in template.variations:
        split = split_variation(template, source, systematics)
        pull = pulls[source]
        down, up = split.yield_ratios
        log_yield += np.where(pull > 0, pull * np.log(up), -pull * np.log(down))
        for sign, varied in zip((-1.0, 1.0), split.shapes, strict=True):
            change = varied[filled] / template.nominal[filled] - 1.0
            shape[:, filled] += np.maximum(sign * pull, 0.0)[:, None] * change
    return np.asarray(np.exp(log_yield)[:, None] * np.maximum(shape, 0.0))
