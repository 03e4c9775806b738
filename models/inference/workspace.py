"""The pyhf workspace of one mass point.

One channel; samples are the signal, every background and the uniform component. Nuisance parameters:

=========================  ==========================  ==================================================
parameter                  modifier                    applies to
=========================  ==========================  ==================================================
lumi                       lumi                        signal, backgrounds
each template variation    normsys (+ histosys)        the samples that have it, fully correlated
scale_factor_<process>     normsys                     that background
scale_factor_mode_<i>      normsys                     backgrounds, instead (`correlated_scale_factors`)
classifier_efficiency      normsys                     signal
mc_statistics              staterror, one per bin      all backgrounds together
mc_statistics_signal       staterror, one per bin      signal
uniform_component          shapesys, one per bin       uniform component
=========================  ==========================  ==================================================

The signal has Monte Carlo statistics of its own: a common parameter would weigh the background's
uncertainty with the arbitrary size that 1 fb of signal happens to have in a bin.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from models.inference.compiled_model import Floats
from models.inference.configuration import SystematicsSettings
from models.inference.results import InferenceError
from models.inference.shape_variations import split_variation
from models.search import Process
from models.templates import MassPointTemplates, Template

POI_NAME: Final = "xsec_fb"
BLINDED_MEASUREMENT: Final = "blinded_asimov"
"""Measurement name of a workspace whose observations are the expected background."""
OBSERVED_MEASUREMENT: Final = "observed"
UNIFORM_SAMPLE: Final = "uniform"
_SCHEMA_VERSION: Final = "1.0.0"
_SMALLEST_SHIFT: Final = 1e-4
"""Relative changes of a background below this are no part of the model."""

Modifier = dict[str, Any]


class LimitedVariation(NamedTuple):
    """A template variation too large for the guards, hence limited."""

    sample: str
    source: str
    n_bins: int
    """Bins whose shape change was limited so that the yield stays positive within the guard range."""
    yield_limited: bool
    """Whether the change of the whole yield was limited."""


def is_blinded(workspace: Mapping[str, Any]) -> bool:
    """Return whether a workspace holds Asimov data in place of what was observed."""
    measurements = workspace.get("measurements") or [{}]
    return bool(measurements[0].get("name") == BLINDED_MEASUREMENT)


def build_workspace(templates: MassPointTemplates, systematics: SystematicsSettings) -> dict[str, Any]:
    """Build the pyhf workspace of a mass point.

    Parameters
    ----------
    templates
        Yields and their variations; without data the workspace is blinded: its observations are the expected
        background and its measurement is called `BLINDED_MEASUREMENT`.
    systematics
        Uncertainties and guards.

    Returns
    -------
    dict
        Workspace, valid under pyhf's schema, whose POI `xsec_fb` is σ(e⁺e⁻→τ⁺τ⁻φ)·B(φ→ℓℓ) in fb.

    Raises
    ------
    InferenceError
        If yields are not finite, the signal is empty or a background has no scale factor.
    """
    _check(templates, systematics)
    uniform = _uniform_yields(templates, systematics)
    samples = [_signal_sample(templates, systematics)]
    samples += [_background_sample(templates, process, systematics) for process in templates.backgrounds]
    samples.append(_uniform_sample(uniform, templates.uniform_relative_error))
    background = uniform + sum((_scaled(templates, process).nominal for process in templates.backgrounds), np.zeros(1))
    observed = background if templates.data is None else templates.data
    channel = f"{templates.search}_m{templates.m_phi_gev:.3f}"
    return {
        "channels": [{"name": channel, "samples": samples}],
        "observations": [{"name": channel, "data": _numbers(observed)}],
        "measurements": [
            {
                "name": BLINDED_MEASUREMENT if templates.data is None else OBSERVED_MEASUREMENT,
                "config": {
                    "poi": POI_NAME,
                    "parameters": [
                        {
                            "name": "lumi",
                            "auxdata": [1.0],
                            "inits": [1.0],
                            "sigmas": [systematics.luminosity_relative],
                            "bounds": [_symmetric_bounds(systematics)],
                        },
                        {"name": POI_NAME, "inits": [0.0], "bounds": [_poi_bounds(templates, background, systematics)]},
                    ],
                },
            }
        ],
        "version": _SCHEMA_VERSION,
    }


def limited_variations(templates: MassPointTemplates, systematics: SystematicsSettings) -> list[LimitedVariation]:
    """Return the shape variations that `build_workspace` limits to keep templates positive, for the run's report."""
    scaled = {str(process): _scaled(templates, process) for process in templates.backgrounds}
    scaled = {name: template for name, template in scaled.items() if template.nominal.any()}
    scaled[str(Process.SIGNAL)] = _without_negative(templates.signal, 1.0)
    found = []
    for name, template in scaled.items():
        for source in template.variations:
            split = split_variation(template, source, systematics)
            if split.n_limited or split.yield_limited:
                found.append(LimitedVariation(name, source, split.n_limited, split.yield_limited))
    return found


def _check(templates: MassPointTemplates, systematics: SystematicsSettings) -> None:
    where = f"Templates of {templates.search} at {templates.m_phi_gev:.3f} GeV"
    for process, template in {Process.SIGNAL: templates.signal, **templates.backgrounds}.items():
        arrays = [template.nominal, template.stat_error, *(a for pair in template.variations.values() for a in pair)]
        if not all(np.all(np.isfinite(array)) for array in arrays):
            raise InferenceError(f"{where}: {process} has a yield that is not finite.")
    if not np.any(templates.signal.nominal > 0):
        raise InferenceError(f"{where}: no signal is expected in any bin.")
    missing = [str(process) for process in templates.backgrounds if process not in templates.scale_factors]
    if missing:
        raise InferenceError(f"{where}: no scale factor for {', '.join(missing)}.")
    if systematics.correlated_scale_factors:
        known = {process for mode in templates.scale_factor_modes.values() for process in mode}
        unknown = [str(process) for process in templates.backgrounds if process not in known]
        if unknown:
            raise InferenceError(f"{where}: no correlated uncertainty of the scale factor of {', '.join(unknown)}.")
    if not np.all(np.isfinite(templates.uniform)):
        raise InferenceError(f"{where}: the uniform component has a yield that is not finite.")


def _scaled(templates: MassPointTemplates, process: Process) -> Template:
    """Return a background with its scale factor applied and no negative yield.

    Negative sums of weights are fluctuations around a small yield; a Poisson rate cannot hold them.
    """
    return _without_negative(templates.backgrounds[process], templates.scale_factors[process][0])


def _without_negative(template: Template, factor: float) -> Template:
    variations = {
        source: (np.maximum(factor * down, 0.0), np.maximum(factor * up, 0.0))
        for source, (down, up) in template.variations.items()
    }
    return Template(np.maximum(factor * template.nominal, 0.0), factor * template.stat_error, variations)


def _signal_sample(templates: MassPointTemplates, systematics: SystematicsSettings) -> dict[str, Any]:
    signal = _without_negative(templates.signal, 1.0)
    modifiers: list[Modifier] = [
        {"name": POI_NAME, "type": "normfactor", "data": None},
        _normsys("classifier_efficiency", systematics.classifier_efficiency_relative, systematics),
        *_simulation_modifiers(signal, systematics, "mc_statistics_signal"),
    ]
    return {"name": str(Process.SIGNAL), "data": _numbers(signal.nominal), "modifiers": modifiers}


def _background_sample(
    templates: MassPointTemplates, process: Process, systematics: SystematicsSettings
) -> dict[str, Any]:
    template = _scaled(templates, process)
    modifiers: list[Modifier] = []
    if template.nominal.any():
        modifiers = [
            *_scale_factor_modifiers(templates, process, systematics),
            *_simulation_modifiers(template, systematics, "mc_statistics"),
        ]
    return {"name": str(process), "data": _numbers(template.nominal), "modifiers": modifiers}


def _scale_factor_modifiers(
    templates: MassPointTemplates, process: Process, systematics: SystematicsSettings
) -> list[Modifier]:
    """Return the uncertainty of a background's scale factor: on its own, or as its part of the correlated ones."""
    if not systematics.correlated_scale_factors:
        return [_normsys(f"scale_factor_{process}", templates.scale_factors[process][1], systematics)]
    shifts = {name: mode[process] for name, mode in templates.scale_factor_modes.items() if process in mode}
    return [_normsys(name, shift, systematics) for name, shift in shifts.items() if abs(shift) > _SMALLEST_SHIFT]


def _simulation_modifiers(template: Template, systematics: SystematicsSettings, statistics: str) -> list[Modifier]:
    """Return the modifiers that signal and backgrounds share."""
    modifiers: list[Modifier] = [{"name": "lumi", "type": "lumi", "data": None}]
    for source in template.variations:
        split = split_variation(template, source, systematics)
        low, high = split.yield_ratios
        modifiers.append({"name": source, "type": "normsys", "data": {"lo": low, "hi": high}})
        if split.changes_shape(template):
            histograms = dict(zip(("lo_data", "hi_data"), map(_numbers, split.shapes), strict=True))
            modifiers.append({"name": source, "type": "histosys", "data": histograms})
    # Where nothing was simulated there is no yield whose uncertainty could be scaled.
    error = np.where(template.nominal > 0, template.stat_error, 0.0)
    modifiers.append({"name": statistics, "type": "staterror", "data": _numbers(error)})
    return modifiers


def _normsys(name: str, relative: float, systematics: SystematicsSettings) -> Modifier:
    size = abs(relative)
    smaller = 1.0 - size if size <= systematics.largest_symmetric_relative else 1.0 / (1.0 + size)
    low, high = (smaller, 1.0 + size) if relative >= 0 else (1.0 + size, smaller)
    return {"name": name, "type": "normsys", "data": {"lo": low, "hi": high}}


def _uniform_yields(templates: MassPointTemplates, systematics: SystematicsSettings) -> Floats:
    others = sum((_scaled(templates, process).nominal for process in templates.backgrounds), np.zeros(1))
    uniform: Floats = np.maximum(templates.uniform, systematics.minimum_background - others)
    return np.maximum(uniform, 0.0)


def _uniform_sample(yields: Floats, relative_error: float) -> dict[str, Any]:
    """Return the uniform component; each bin has its own Poisson uncertainty.

    What the simulation lacks need not be uniform, so its bins are not tied to one normalisation.
    """
    modifiers: list[Modifier] = []
    if relative_error > 0:
        modifiers.append({"name": "uniform_component", "type": "shapesys", "data": _numbers(relative_error * yields)})
    return {"name": UNIFORM_SAMPLE, "data": _numbers(yields), "modifiers": modifiers}


def _symmetric_bounds(systematics: SystematicsSettings) -> list[float]:
    reach = systematics.guard_sigma * systematics.luminosity_relative
    return [1.0 - reach, 1.0 + reach]


def _poi_bounds(templates: MassPointTemplates, background: Floats, systematics: SystematicsSettings) -> list[float]:
    """Return bounds from where the first rate would turn negative to far above any limit."""
    signal = np.maximum(templates.signal.nominal, 0.0)
    filled = signal > 0
    lowest = -(1.0 - systematics.guard_margin) * float(np.min(background[filled] / signal[filled]))
    observed = 0.0 if templates.data is None else float(templates.data.sum())
    events = max(observed + float(background.sum()), 1.0)
    return [lowest, systematics.poi_upper_factor * events / float(signal.sum())]


def _numbers(array: Floats) -> list[float]:
    return [float(value) for value in array]
