"""Templates of a mass point as the tests of the statistical model need them."""

from collections.abc import Callable

import numpy as np
import pytest

from models.search import Process, Search
from models.templates import MassPointTemplates, Template

SOURCES = ("momentum_scale", "identification_muon")
TRACKING = 4 * 0.0035
"""Of four tracks together; it moves the yield and not the shape."""
SIDE_BIN_EVENTS = (10.0, 30.0)
INNER_BIN_EVENTS = 0.6


@pytest.fixture(scope="session")
def make_templates() -> Callable[..., MassPointTemplates]:
    """Return a maker of templates with two side bins, a signal window and smooth variations of a few per cent."""

    def make(
        *,
        seed: int = 1,
        n_bins: int = 5,
        scale: float = 1.0,
        processes: tuple[Process, ...] = (Process.TAUTAU, Process.QQBAR),
        relative_statistics: float = 0.1,
        variation: float = 0.03,
        data: str = "poisson",
        injected_fb: float = 0.0,
    ) -> MassPointTemplates:
        rng = np.random.default_rng(seed)
        low, high = SIDE_BIN_EVENTS
        shape = scale * np.concatenate([[low], np.full(n_bins - 2, INNER_BIN_EVENTS), [high]])

        def template(nominal: np.ndarray, relative: float) -> Template:
            changes = {source: variation * rng.normal(size=n_bins) for source in SOURCES}
            changes["tracking"] = np.full(n_bins, TRACKING)
            varied = {source: (nominal * (1 - d), nominal * (1 + d)) for source, d in changes.items()}
            return Template(nominal, relative * nominal, varied)

        signal = template(np.concatenate([[0.1], np.full(n_bins - 2, 1.0), [0.1]]), 0.02)
        backgrounds = {p: template(shape * rng.uniform(0.5, 1.5), relative_statistics) for p in processes}
        uniform = 0.05 * shape
        expected = sum(t.nominal for t in backgrounds.values()) + uniform + injected_fb * signal.nominal
        counts = {"poisson": rng.poisson(expected).astype(float), "none": None, "empty": np.zeros(n_bins)}[data]
        return MassPointTemplates(
            search=Search.MUMU,
            m_phi_gev=1.0,
            sigma_gev=0.003,
            edges_gev=np.linspace(0.9, 1.1, n_bins + 1),
            signal=signal,
            backgrounds=backgrounds,
            scale_factors=dict.fromkeys(processes, (1.1, 0.1)),
            uniform=uniform,
            uniform_relative_error=0.5,
            data=counts,
        )

    return make
