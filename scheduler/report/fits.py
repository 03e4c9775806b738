"""The fit of one mass point shown in display bins: fitted components, the fitted signal and the data."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.inference.configuration import InferenceSettings
from models.inference.fits import fit_observed
from models.inference.likelihood import compile_likelihood
from models.inference.results import BestFit
from models.inference.summary import summarise
from models.scan_grid import MassPoint, ScanSettings, fit_edges_gev
from models.signal_shape import SignalModel
from scheduler.report.spectra import UNIFORM, Spectrum


@dataclass(frozen=True)
class FittedMassPoint:
    """What a fit figure shows."""

    point: MassPoint
    spectrum: Spectrum
    """Backgrounds scaled to their fitted yields."""
    signal: NDArray[np.float64]
    """Fitted signal events per display bin."""
    window_gev: tuple[float, float]
    """m_φ ± the half-width that the fit bins finely."""
    fit: BestFit


def fitted_mass_point(
    point: MassPoint,
    workspace: Path,
    expected: Spectrum,
    signal: SignalModel,
    luminosity_fb: float,
    scan: ScanSettings,
    inference: InferenceSettings,
) -> FittedMassPoint | None:
    """Repeat the fit of a mass point and spread its yields over the display bins.

    Parameters
    ----------
    point
        The hypothesis.
    workspace
        Its pyhf workspace, with observed data.
    expected
        The signal region before the fit, in display bins.
    signal
        Nominal prompt signal model of the search.
    luminosity_fb
        Luminosity of the data.
    scan, inference
        As in the scan.

    Returns
    -------
    The fitted spectrum; None if the fit did not converge.
    """
    likelihood = compile_likelihood(json.loads(workspace.read_bytes()), inference.minimiser)
    fit = summarise(likelihood, fit_observed(likelihood), inference)
    if fit.xsec_hat_fb is None:
        return None
    edges = expected.edges_gev
    backgrounds = {
        name: values * (sum(fit.yields.get(name, ())) / total if (total := float(np.sum(values))) > 0 else 0.0)
        for name, values in expected.backgrounds.items()
    }
    widths = np.diff(edges) / (edges[-1] - edges[0])
    backgrounds = {UNIFORM: widths * sum(fit.yields.get(UNIFORM, ())), **backgrounds}
    per_fb = luminosity_fb * signal.efficiency_at(point.m_phi_gev).value
    bins = fit_edges_gev(point, signal.resolution_gev(point.m_phi_gev), scan)
    inner = bins[
        np.abs(bins - point.m_phi_gev) <= 1.01 * scan.window_half_width_sigma * signal.resolution_gev(point.m_phi_gev)
    ]
    return FittedMassPoint(
        point,
        replace(expected, backgrounds=backgrounds),
        fit.xsec_hat_fb * per_fb * signal.template_fractions(point.m_phi_gev, edges),
        (float(inner[0]), float(inner[-1])),
        fit,
    )


def describe_fit(fitted: FittedMassPoint) -> str:
    """Return the fit result in words for a legend."""
    fit = fitted.fit
    error = "" if fit.xsec_err_fb is None else f" ± {fit.xsec_err_fb:,.3g}"
    z = "" if fit.significance is None else f", {fit.significance:+.1f}σ"
    return f"{fitted.point.m_phi_gev:g} GeV: σ·B = {fit.xsec_hat_fb:,.3g}{error} fb{z}"
