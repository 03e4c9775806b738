"""τ pairs from the library against Pythia's histograms: agreement, and that disagreement would be seen."""

import numpy as np
import pytest

from models.theory.spin_correlation import tau_pair_spin_correlation
from simulation import tau_pairs
from simulation.tau_library import TauDecayLibrary
from simulation.tau_validation import compare, library_histograms, read_reference, table

N = 60_000
PARTS = 8


def _p_values(library: TauDecayLibrary) -> dict[str, float]:
    ours = library_histograms(library, N, np.random.default_rng(5), parts=PARTS)
    return {comparison.name: comparison.p_value for comparison in compare(read_reference(), ours)}


def test_every_observable_agrees_with_pythia(tau_library: TauDecayLibrary) -> None:
    p_values = _p_values(tau_library)
    assert len(p_values) >= 30
    # With 38 observables the smallest of them is below this once in 250 times.
    assert min(p_values.values()) > 1e-4
    # Errors that are too large would show as well: uniform p-values have the mean 0.5 ± 0.05, correlations aside.
    assert 0.3 < np.mean(list(p_values.values())) < 0.75


def test_leaving_out_transverse_spins_is_seen(tau_library: TauDecayLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    def longitudinal(cosine: np.ndarray, s_gev2: np.ndarray) -> np.ndarray:
        correlation = tau_pair_spin_correlation(cosine, s_gev2)
        correlation[:, 1:3, 1:] = correlation[:, 1:, 1:3] = 0.0
        return correlation

    monkeypatch.setattr(tau_pairs, "tau_pair_spin_correlation", longitudinal)
    p_values = _p_values(tau_library)
    assert p_values["ρρ: φ⁻ − φ⁺"] < 1e-10
    assert p_values["πρ: φ⁻ − φ⁺"] < 1e-10
    assert p_values["ℓℓ: φ⁻ − φ⁺"] < 1e-4
    assert p_values["ρρ: (2x⁻ − 1)(2x⁺ − 1)"] > 1e-4


def test_table_has_a_line_for_each_observable(tau_library: TauDecayLibrary) -> None:
    reference = read_reference()
    lines = table(compare(reference, library_histograms(tau_library, 4000, np.random.default_rng(1), parts=2)))
    assert len(lines.splitlines()) == len(reference) + 2
