import numpy as np
import pytest

from models.search import BACKGROUNDS, Channel, Process, Search
from processors.cutflow import Cut, EventCounter, SampleSummary
from processors.histograms import empty_histograms, filled
from processors.placed_candidates import PlacedCandidates
from processors.regions import GENERAL_CONTROL_REGION, SIGNAL_REGION, control_regions
from processors.sample import SampleMetadata
from scheduler.report.effective_luminosity import describe_cut_stages, effective_luminosities, effective_luminosity_fb
from scheduler.report.tables import effective_luminosity_table


def summary(weights):
    """A selection that keeps the same weighted events at every cut of every search."""
    number = np.arange(len(weights))
    cutflow = {search: {cut: EventCounter().count(weights, number, number) for cut in Cut} for search in Search}
    return SampleSummary(
        n_events=len(weights),
        removed={"run_range": 0, "good_runs": 0},
        sum_weights=float(weights.sum()),
        cutflow=cutflow,
        candidate_multiplicity={},
        purity={},
        files={},
    )


def metadata(process, n_generated, cross_section_fb):
    return SampleMetadata(
        name=str(process),
        process=process,
        is_data=False,
        cross_section_fb=cross_section_fb,
        n_generated=n_generated,
        sum_weights=float(n_generated),
        sum_weights2=float(n_generated),
        generator="test",
    )


@pytest.fixture
def histograms():
    edges = np.array([0.0, 0.1, 0.25])
    filled = {search: empty_histograms(search, edges, edges) for search in Search}
    filled[Search.EE].signal_region.fill(
        process="tautau", variation="nominal", mass=np.array([0.05, 0.2]), weight=np.array([0.5, 0.5])
    )
    return filled


def test_unweighted_events_are_worth_what_was_generated(histograms):
    """Whatever the selection keeps: 1000 events of 10 fb are 100 fb⁻¹."""
    samples = {"tautau": metadata(Process.TAUTAU, 1000, 10.0)}
    values = effective_luminosities({"tautau": summary(np.ones(37))}, samples, histograms, 7.0)
    found = {(v.search, v.stage): v for v in values if v.process is Process.TAUTAU}
    pair = found[Search.EE, Cut.LEPTON_PAIR]
    assert pair.luminosity_fb == pytest.approx(100.0, rel=1e-12)
    assert pair.expected == pytest.approx(37 / 100.0 * 7.0)


def test_events_sampled_on_purpose_are_worth_more(histograms):
    """Sampled four times as often with a quarter of the weight."""
    samples = {"tautau": metadata(Process.TAUTAU, 1000, 10.0)}
    values = effective_luminosities({"tautau": summary(np.full(148, 0.25))}, samples, histograms, 7.0)
    found = {(v.search, v.stage): v for v in values if v.process is Process.TAUTAU}
    assert found[Search.MUMU, Cut.FOUR_GOOD_TRACKS].luminosity_fb == pytest.approx(400.0)
    assert found[Search.MUMU, Cut.FOUR_GOOD_TRACKS].expected == pytest.approx(37 / 100.0 * 7.0)


def test_regions_come_from_the_histograms(histograms):
    samples = {"tautau": metadata(Process.TAUTAU, 1000, 10.0)}
    values = effective_luminosities({"tautau": summary(np.ones(1))}, samples, histograms, 7.0)
    found = {(v.search, v.stage): v for v in values if v.process is Process.TAUTAU}
    # Two events of weight 1/2 at 7 fb⁻¹: two unweighted events at 14 fb⁻¹.
    assert found[Search.EE, SIGNAL_REGION].expected == pytest.approx(1.0)
    assert found[Search.EE, SIGNAL_REGION].luminosity_fb == pytest.approx(14.0)


def test_nothing_left_is_said(histograms):
    values = effective_luminosities({}, {}, histograms, 7.0)
    assert {v.process for v in values} == set(BACKGROUNDS)
    assert all(v.luminosity_fb is None for v in values if v.process is Process.QQBAR)
    assert effective_luminosity_fb(0.0, 0.0, 1.0) is None


def test_lines_of_the_command_line_say_what_is_known_and_what_is_not():
    samples = {"tautau": metadata(Process.TAUTAU, 1000, 500.0), "qqbar": metadata(Process.QQBAR, 1000, 500.0)}
    summaries = {"tautau": summary(np.full(4, 0.5)), "qqbar": summary(np.empty(0))}
    lines = describe_cut_stages(summaries, samples, 10.0)
    assert len(lines) == 2 * len(Search)
    # 4 events of weight 1/2 from σ = 500 fb, Σw = 1000: 10 fb⁻¹ · 500 fb / 1000 · 2 = 10 expected, worth 4 fb⁻¹.
    assert "mumu tautau: four_good_tracks 4 fb⁻¹ (10 expected), lepton_pair 4 fb⁻¹ (10 expected)" in lines[-2]
    assert lines[-1].startswith("mumu qqbar: four_good_tracks no event")


def test_a_library_limits_what_any_number_of_events_is_worth(histograms):
    """A hundred thousand decays leave √(84/10⁵) = 2.9 % in ee, as much as 1190 events."""
    samples = {"bbbar": metadata(Process.BBBAR, 1000, 500.0)}
    values = effective_luminosities(
        {"bbbar": summary(np.full(100, 0.5))}, samples, histograms, 10.0, {Process.BBBAR: 100_000}
    )
    found = {(v.search, v.stage): v for v in values if v.process is Process.BBBAR}
    pair = found[Search.EE, Cut.LEPTON_PAIR]
    # 50 of weight one at 10 fb⁻¹ · 500 fb / 1000 each
    assert pair.expected == pytest.approx(250.0)
    assert pair.library_limit_fb == pytest.approx(100_000 / 84 / 250.0 * 10.0)
    assert found[Search.MUMU, Cut.LEPTON_PAIR].library_limit_fb == pytest.approx(100_000 / 50 / 250.0 * 10.0)
    assert found[Search.EE, SIGNAL_REGION].library_limit_fb is None
    without = effective_luminosities({"bbbar": summary(np.full(100, 0.5))}, samples, histograms, 10.0)
    assert all(v.library_limit_fb is None for v in without)


def test_the_table_says_what_the_library_leaves(histograms, tmp_path):
    samples = {"bbbar": metadata(Process.BBBAR, 1000, 500.0)}
    sizes = {Process.BBBAR: 1_000_000}
    values = effective_luminosities({"bbbar": summary(np.ones(100))}, samples, histograms, 10.0, sizes)
    entry = effective_luminosity_table(values, 10.0, tmp_path)
    assert "ee bbbar 0.92 %, mumu bbbar 0.71 %" in entry.caption


def test_copies_of_one_generated_event_are_one_in_the_regions():
    edges = np.array([0.0, 0.1, 0.25])
    candidates = PlacedCandidates(
        Process.TAUTAU,
        "tautau",
        {region: np.ones(4, bool) for region in (*control_regions(Channel.EE), SIGNAL_REGION)},
        np.zeros(4, np.int64),
        np.array([0.05, 0.2, 0.2, 0.05]),
        {"nominal": np.full(4, 0.5)},
        np.array([1, 1, 2, 2]),
    )
    histograms = {search: empty_histograms(search, edges, edges) for search in Search}
    histograms[Search.EE] = filled(histograms[Search.EE], candidates)
    values = effective_luminosities({}, {}, histograms, 7.0)
    found = {(v.search, v.stage): v for v in values if v.process is Process.TAUTAU}
    # two events of weight one, whatever bins their copies are in
    assert found[Search.EE, SIGNAL_REGION].error == pytest.approx(np.sqrt(2.0))
    assert found[Search.EE, SIGNAL_REGION].luminosity_fb == pytest.approx(7.0)
    assert found[Search.EE, GENERAL_CONTROL_REGION].luminosity_fb == pytest.approx(7.0)
