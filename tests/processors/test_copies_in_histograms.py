"""Histogram variances with copies of generated events: of any chunks the same, and those that independent toys have."""

import itertools

import numpy as np
import pytest
from coffea.processor import accumulate
from hypothesis import given, settings
from hypothesis import strategies as st

from models.copies import BinPairs, SummedCopies
from models.search import Channel, Process, Search
from models.sparse_templates import BinnedMass, template_yields
from processors.histogram_processor import HistogramProcessor, SearchBinning
from processors.histograms import Contents, empty_histograms, filled
from processors.placed_candidates import PlacedCandidates
from processors.regions import SIGNAL_REGION, RegionSettings, control_regions

EDGES = np.linspace(0.0, 0.25, 11)
FIT_EDGES = EDGES[[0, 4, 5, 6, 10]]
REGIONS = (*control_regions(Channel.EE), SIGNAL_REGION)


def empty():
    return empty_histograms(Search.EE, EDGES, EDGES)


def placed(mass_gev, weight, generated, rng) -> PlacedCandidates:
    return PlacedCandidates(
        Process.QQBAR,
        "qqbar",
        {region: rng.random(len(mass_gev)) < 0.7 for region in REGIONS},
        rng.integers(0, 4, len(mass_gev)),
        mass_gev,
        {"nominal": weight, "tracking_up": 1.1 * weight},
        generated,
    )


@settings(max_examples=10)
@given(
    copies=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 40)),
    seed=st.integers(0, 2**32 - 1),
)
def test_chunks_change_nothing(copies, cuts, seed) -> None:
    rng = np.random.default_rng(seed)
    generated = np.repeat(np.arange(len(copies)), copies)
    n = len(generated)
    candidates = placed(rng.uniform(-0.02, 0.27, n), rng.uniform(0.1, 2.0, n), generated, rng)
    whole = filled(empty(), candidates)
    outputs = []
    for first, stop in itertools.pairwise([0, *sorted(cut for cut in cuts if cut < n), n]):
        rows = np.arange(n)
        closed, ends = candidates.select((rows >= first) & (rows < stop)).split_off_ends()
        outputs.append({"ee": {"histograms": filled(empty(), closed), "open": {"nominal/qqbar": ends}}})
    processor = HistogramProcessor(
        {}, {Search.EE: SearchBinning(EDGES, EDGES, np.zeros((0, 2)))}, RegionSettings(), luminosity_fb=1.0
    )
    merged = processor.postprocess(accumulate(outputs))["ee"]["histograms"]
    for region, variation in itertools.product(REGIONS, ("nominal", "tracking_up")):
        a, b = (h.contents(region, Process.QQBAR, variation) for h in (whole, merged))
        np.testing.assert_allclose(a.value, b.value, rtol=1e-12)
        np.testing.assert_allclose(a.variance, b.variance, rtol=1e-12)
        np.testing.assert_allclose(a.pairs.covariance, b.pairs.covariance, rtol=1e-12)
        assert a.total_variance == pytest.approx(b.total_variance)


def toy(rng) -> PlacedCandidates:
    """Twenty events; copies of one share a mass, smeared for each, and each may be lost and moved to another region."""
    n_events, n_copies = rng.poisson(20), 6
    generated = np.repeat(np.arange(n_events), n_copies)
    mass = np.repeat(rng.uniform(0.0, 0.25, n_events), n_copies) + rng.normal(0.0, 0.012, len(generated))
    kept = rng.random(len(generated)) < 0.6
    return placed(mass[kept], np.full(kept.sum(), 1 / n_copies), generated[kept], rng)


def test_estimated_variances_are_those_of_independent_toys() -> None:
    rng = np.random.default_rng(1)
    n_toys = 800
    values, variances, plain = [], [], []
    for number in range(n_toys):
        candidates = toy(rng)
        part = candidates.select(candidates.masks[SIGNAL_REGION])
        copies = SummedCopies.of(np.digitize(part.mass_gev, EDGES) - 1, part.generated)
        weight = copies.sum(part.weights["nominal"])
        inside = (copies.bins >= 0) & (copies.bins < len(EDGES) - 1)
        copies = SummedCopies(copies.first, copies.member_of, copies.generated[inside], copies.bins[inside])
        weight = weight[inside]
        value, variance = (np.bincount(copies.bins, w, len(EDGES) - 1) for w in (weight, weight**2))
        contents = Contents(value, variance, BinPairs.of_copies(copies, weight))
        if number < 3:
            counted = filled(empty(), candidates).contents(SIGNAL_REGION, Process.QQBAR)
            np.testing.assert_allclose([counted.value, counted.variance], [value, variance])
            np.testing.assert_allclose(counted.pairs.covariance, contents.pairs.covariance)
        fit = template_yields(
            BinnedMass(EDGES, value[np.newaxis], variance, contents.pairs), FIT_EDGES, minimum_effective=0
        )
        values.append([*value, *fit.values[0], contents.total])
        variances.append([*variance, *fit.stat_error**2, contents.total_variance])
        plain.append(np.sum(part.weights["nominal"] ** 2))
    observed, estimated = np.var(values, axis=0), np.mean(variances, axis=0)
    # relative error of a variance from n toys: √(2/n) for a normal, 1.3 times that for these skewed sums of few events
    tolerance = 3.0 * 1.3 * np.sqrt(2.0 / n_toys)
    np.testing.assert_allclose(estimated, observed, rtol=tolerance)
    np.testing.assert_allclose(np.mean(estimated / observed), 1.0, atol=0.06)
    # squaring copy by copy would claim less than half of it
    assert np.mean(plain) < 0.5 * observed[-1]
