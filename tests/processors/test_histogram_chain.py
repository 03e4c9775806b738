"""Candidates → classifier → regions → histograms → scale factors → templates, on synthetic candidate files."""

import pickle
from datetime import UTC, datetime

import numpy as np
import pytest
from coffea.nanoevents import BaseSchema
from coffea.processor import IterativeExecutor, Runner

from models.classifier.configuration import ClassifierMethod, ClassifierSettings
from models.classifier.training import train_classifier
from models.classifier.weights import training_weights
from models.errors import BadInputError, IncompleteRunError
from models.lifetime import LifetimeComponent, LifetimeError, LifetimeMixture
from models.normalisation import fit_scale_factors
from models.scan_grid import ScanSettings, mass_points
from models.search import BACKGROUNDS, Channel, Process, Search, classifier_classes
from models.signal_shape import SignalShapeSettings
from models.thresholds import ThresholdSettings
from processors.blinding import Unblinding
from processors.candidates import CandidatePath, CandidateStore, write_candidates
from processors.control_counts import control_inputs
from processors.features import FEATURES
from processors.histogram_files import HistogramManifest, load_histograms, save_histograms
from processors.histogram_inputs import candidate_fileset, search_binning
from processors.histogram_processor import HistogramProcessor
from processors.histograms import SearchHistograms
from processors.luminosity import luminosity_weight
from processors.regions import RegionSettings
from processors.sample import SampleMetadata
from processors.scoring import candidate_folds, score_candidates
from processors.signal_files import load_signal_models, save_signal_models
from processors.signal_samples import build_signal_models
from processors.template_builder import build_templates, unpack_search
from processors.template_settings import TemplateSettings
from processors.threshold_scan import find_threshold
from processors.training_sample import classifier_inputs, read_training_data
from processors.variations import Kinematics

LUMINOSITY_FB = 2.0
SETTINGS = ClassifierSettings(n_rounds=25)
REGIONS = RegionSettings(sr_above_signal_score_ee=0.7, sr_above_signal_score_mumu=0.6)
SCAN = ScanSettings()
TEMPLATES = TemplateSettings()
UNBLINDING = Unblinding(
    who="A. Physicist", reason="review passed", when=datetime(2022, 7, 15, tzinfo=UTC), configuration_hash="0" * 64
)
TRUE_FACTORS = {Process.TAUTAU: 1.2, Process.QQBAR: 0.8}
"""Data are drawn with these factors on the simulation's expectation, one elsewhere."""
REPEATS = 3
"""Copies of each generated quark pair."""
SIZES = {
    Process.TAUTAU: 1500,
    Process.QQBAR: 1200,
    Process.BBBAR: 500,
    Process.BHABHA: 400,
    Process.DIMUON: 400,
    Process.TWOPHOTON: 150,
    Process.TAUTAULL: 100,
}
GRID = {Channel.EE: (0.04, 0.08, 0.12, 0.21), Channel.MUMU: (0.25, 1.0, 2.5, 4.5, 6.5)}
FLIGHT = LifetimeMixture(
    components=(
        LifetimeComponent(ctau_mm=0.0, share=2.0),
        LifetimeComponent(ctau_mm=10.0),
        LifetimeComponent(ctau_mm=50.0),
    )
)
LIKE = {
    Process.TWOPHOTON: 2,
    Process.TAUTAULL: 0,
    Process.BHABHA: 2,
    Process.DIMUON: 2,
    Process.SIGNAL: 0,
    Process.TAUTAU: 1,
    Process.QQBAR: 3,
    Process.BBBAR: 4,
}


def make_columns(rng, process, search, n, m_phi=None, *, shift=0.0):
    low, high = search.window
    features = rng.normal(size=(n, len(FEATURES[search.channel])))
    features[:, LIKE[process]] += 2.2
    mass = low + (high - low) * rng.beta(1.2, 2.5, n)
    is_true = np.zeros(n, dtype=bool)
    if m_phi is not None:
        is_true = rng.random(n) < 0.9
        peak = m_phi * (1 + shift) + (0.001 + 0.004 * m_phi) * rng.normal(size=n)
        mass = np.where(is_true, np.maximum(peak, low), mass)
    weight = rng.uniform(0.9, 1.1, n)
    # Of φ's that fly, only those that decay within 2 mm are found: a tenth of what is found, as in `FLIGHT`.
    length = np.where(np.arange(n) % 10 == 0, rng.uniform(0.0, 2.0, n), 0.0) if m_phi else np.full(n, -1.0)
    return {
        "experiment": np.full(n, 31, np.int32),
        # copies of one generated event are next to each other
        "run": rng.integers(1, 500, n).astype(np.int32)[np.arange(n) // REPEATS],
        "event": np.arange(n, dtype=np.int32),
        **dict(zip(FEATURES[search.channel], features.astype(np.float32).T, strict=True)),
        "m_ll_gev": mass,
        "weight": weight,
        "weight_tracking_up": 1.02 * weight,
        "weight_tracking_down": 0.98 * weight,
        "is_true_candidate": is_true,
        "true_proper_length_mm": length,
    }


def as_data(parts):
    keep = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    keep["event"] = np.arange(len(keep["event"]), dtype=np.int32)
    keep["weight"] = np.ones(len(keep["event"]))
    return {name: values for name, values in keep.items() if not name.startswith(("weight_", "is_true", "true_"))}


def metadata(name, process, n, **more):
    return SampleMetadata(
        name=name, process=process, is_data=process is Process.DATA, n_generated=n, sum_weights=float(n),
        sum_weights2=float(n), generator="test", **more,
    )  # fmt: skip


CLASSES = [str(process) for process in classifier_classes(Channel.MUMU)[1:]]
SHIFTS = (0, 5e-4, -5e-4, 0, 0, 2e-4, -2e-4)
"""Of m(ℓℓ) in GeV under each of the kinematics."""


@pytest.fixture(scope="module")
def samples():
    """Each background candidate stands for about 0.5 events in the data."""
    known = {str(p): metadata(str(p), p, 10_000, cross_section_fb=0.25 * 10_000) for p in BACKGROUNDS}
    known["qqbar"] = known["qqbar"].model_copy(update={"repeats": REPEATS})
    known["data"] = metadata("data", Process.DATA, 10_000)
    for channel, masses in GRID.items():
        for mass in masses:
            name = f"signal_{channel}_m{mass:.3f}"
            flight = {"lifetimes": FLIGHT} if channel is Channel.EE else {"ctau_mm": 0.0}
            known[name] = metadata(name, Process.SIGNAL, 8000, channel=channel, m_phi_gev=mass, **flight)
    return known


@pytest.fixture(scope="module")
def candidate_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("candidates")


@pytest.fixture(scope="module")
def store(samples, candidate_folder):
    folder = candidate_folder
    for i, search in enumerate(Search):
        data = []
        for j, (name, sample) in enumerate(samples.items()):
            if sample.process is Process.DATA or sample.channel not in (None, search.channel):
                continue
            for k, kinematics in enumerate(Kinematics):
                rng = np.random.default_rng([i, j, 5])
                n = 300 if sample.process is Process.SIGNAL else SIZES[sample.process]
                columns = make_columns(
                    rng, sample.process, search, n, sample.m_phi_gev, shift=(0, 5e-4, -5e-4, 0, 0, 2e-4, -2e-4)[k]
                )
                # one file of no candidates among the rest, as short ntuples leave them
                for first, stop in ((0, n), (n, n + 10))[: 2 if name == "tautau" else 1]:
                    rows = {column: values[first:stop] for column, values in columns.items()}
                    write_candidates(folder / CandidatePath(search, kinematics, name, name, first, stop).relative, rows)
            if sample.process.is_background:
                n_data = rng.poisson(0.5 * SIZES[sample.process] * TRUE_FACTORS.get(sample.process, 1.0))
                data.append(make_columns(rng, sample.process, search, n_data))
        path = CandidatePath(search, Kinematics.NOMINAL, "data", "data_000", 0, 10_000).relative
        write_candidates(folder / path, as_data(data))
    return CandidateStore(folder)


@pytest.fixture(scope="module")
def open_store(store, candidate_folder):
    """The same candidates as somebody sees them who has unblinded."""
    return CandidateStore(candidate_folder, UNBLINDING)


@pytest.fixture(scope="module")
def classifiers(store, samples):
    return {
        channel: train_classifier(
            read_training_data(store, samples, channel, SETTINGS), FEATURES[channel], channel, SETTINGS
        ).classifier
        for channel in Channel
    }


@pytest.fixture(scope="module")
def signal(store, samples, classifiers):
    return {s: build_signal_models(store, samples, s, classifiers[s.channel], REGIONS) for s in Search}


def run(store, samples, classifiers, signal, *, chunk=100_000, unblinding=None, reverse=False):
    processor = HistogramProcessor(
        classifiers,
        {search: search_binning(models, SCAN) for search, models in signal.items()},
        REGIONS,
        luminosity_fb=LUMINOSITY_FB,
        unblinding=unblinding,
    )
    fileset = candidate_fileset(store, samples)
    if reverse:
        fileset = dict(reversed(fileset.items()))
    runner = Runner(
        executor=IterativeExecutor(status=False),
        schema=BaseSchema,
        format="parquet",
        chunksize=chunk,
        metadata_cache={},
    )
    return runner(fileset, processor)


@pytest.fixture(scope="module")
def blinded(store, samples, classifiers, signal):
    return run(store, samples, classifiers, signal)


def manifest_of(search, output, unblinding=None):
    return HistogramManifest(
        search=search,
        luminosity_fb=LUMINOSITY_FB,
        classifier_fingerprint="x",
        sr_above_signal_score=REGIONS.sr_above_signal_score(search.channel),
        unblinding=unblinding,
        n_blinded=output["n_blinded"],
        n_candidates=output["n_candidates"],
    )


def test_training_uses_the_classes_of_the_channel_only(store, samples):
    data = read_training_data(store, samples, Channel.MUMU, SETTINGS)
    n_signal = 300 * len(GRID[Channel.MUMU])
    sizes = [n_signal, *(SIZES[p] for p in classifier_classes(Channel.MUMU)[1:])]
    assert np.bincount(data.label).tolist() == sizes
    assert len(np.unique(data.group[data.label == 0])) == len(GRID[Channel.MUMU])


def test_of_a_large_class_a_part_trains_and_weighs_as_much_as_all(store, samples):
    most = 450
    everything = read_training_data(store, samples, Channel.EE, SETTINGS)
    some, again = (
        read_training_data(store, samples, Channel.EE, SETTINGS.model_copy(update={"candidates_max": most}))
        for _ in range(2)
    )
    assert np.array_equal(some.features, again.features)
    for label, process in enumerate(classifier_classes(Channel.EE)):
        all_of_class, part = everything.label == label, some.label == label
        if all_of_class.sum() <= most:
            assert np.array_equal(some.features[part], everything.features[all_of_class])
            continue
        # Copies of a quark pair are taken together, as one third of so many independent choices.
        scatter = np.sqrt(most * (REPEATS if process is Process.QQBAR else 1))
        assert abs(part.sum() - most) < 4 * scatter
        assert some.weight[part].sum() == pytest.approx(everything.weight[all_of_class].sum(), rel=5 * scatter / most)
        assert np.isin(some.features[part][:, 0], everything.features[all_of_class][:, 0]).all()
        assert sorted(set(some.fold[part])) == list(range(SETTINGS.n_folds))
    quarks = classifier_classes(Channel.EE).index(Process.QQBAR)
    assert np.bincount(np.unique(some.generated[some.label == quarks], return_counts=True)[1]).argmax() == REPEATS


def test_a_sample_read_file_by_file_is_the_sample(store):
    whole = store.read(Search.EE, "tautau")
    parts = list(store.parts(Search.EE, "tautau"))
    assert len(parts) == len(store.files(Search.EE, "tautau")) > 1
    for name, values in whole.items():
        assert np.array_equal(np.concatenate([part[name] for part in parts]), values)


def test_candidates_outside_the_mass_window_train_but_do_not_judge(samples, tmp_path):
    columns = make_columns(np.random.default_rng(3), Process.TAUTAU, Search.MUMU, 40)
    columns["m_ll_gev"][:10] = 1.1 * Search.MUMU.window.high_gev
    path = CandidatePath(Search.MUMU, Kinematics.NOMINAL, "tautau", "tautau_000", 0, 40).relative
    write_candidates(tmp_path / path, columns)
    only = {"tautau": samples["tautau"]}
    everything = read_training_data(CandidateStore(tmp_path), only, Channel.MUMU, SETTINGS)
    inside = everything.inside(Search.MUMU.window)
    assert len(everything.label) == 40
    np.testing.assert_array_equal(inside.features, everything.features[10:])
    np.testing.assert_array_equal(inside.fold, everything.fold[10:])


def test_chunks_and_file_order_change_nothing(store, samples, classifiers, signal, blinded):
    other = run(store, samples, classifiers, signal, chunk=701, reverse=True)
    for search in Search:
        first, second = (output[search]["histograms"].ordered() for output in (blinded, other))
        for name in ("control", "signal_region", "signal"):
            a, b = getattr(first, name), getattr(second, name)
            assert a.axes == b.axes
            np.testing.assert_allclose(a.values(flow=True), b.values(flow=True), rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(a.variances(flow=True), b.variances(flow=True), rtol=1e-12, atol=1e-12)
        assert first.pairs.keys() == second.pairs.keys()
        assert "gcr/qqbar" in first.pairs
        for name, pairs in first.pairs.items():
            again = second.pairs[name]
            np.testing.assert_array_equal([pairs.lower, pairs.upper], [again.lower, again.upper])
            np.testing.assert_allclose(pairs.covariance, again.covariance, rtol=1e-12)
        assert "open" not in other[search]
        assert blinded[search]["n_candidates"] == other[search]["n_candidates"]
        assert blinded[search]["n_blinded"] == other[search]["n_blinded"]


def test_control_counts_agree_with_counting_by_hand(store, samples, classifiers, blinded):
    columns = store.read(Search.MUMU, "qqbar")
    scores = score_candidates(columns, classifiers[Channel.MUMU], "qqbar", repeats=REPEATS)
    rows = (scores[:, 0] < 0.5) & (columns["m_ll_gev"] < 7.0)
    generated = columns["event"][rows] // REPEATS
    factor = luminosity_weight(samples["qqbar"], LUMINOSITY_FB)
    histograms = blinded[Search.MUMU]["histograms"]
    for variation, column in (("nominal", "weight"), ("tracking_up", "weight_tracking_up")):
        contents = histograms.contents("gcr", Process.QQBAR, variation)
        weight = factor * columns[column][rows]
        assert contents.total == pytest.approx(weight.sum())
        if variation == "nominal":
            assert contents.total_variance == pytest.approx(np.sum(np.bincount(generated, weight) ** 2))
            assert contents.total_variance > 1.5 * np.sum(weight**2)
        by_class = [histograms.contents("gcr", Process.QQBAR, variation, leading=name) for name in CLASSES]
        np.testing.assert_allclose(sum(part.value for part in by_class), contents.value)
    shifted = histograms.contents("gcr", Process.QQBAR, "momentum_scale_up")
    assert shifted.value.sum() > 0


def test_blinded_data_reach_no_output(open_store, samples, classifiers, blinded):
    """Every data count must be explained by candidates outside the signal region, and one hidden mass stays hidden."""
    for search in Search:
        columns = open_store.read(search, "data")
        scores = score_candidates(columns, classifiers[search.channel], "data")
        hidden = scores[:, 0] > REGIONS.sr_above_signal_score(search.channel)
        assert hidden.sum() > 5
        output = blinded[search]
        assert output["n_blinded"] == hidden.sum()
        histograms = output["histograms"]
        assert histograms.contents("sr", Process.DATA).value.sum() == 0
        control = histograms.control[{"process": "data", "variation": "nominal", "leading": sum}]
        visible = columns["m_ll_gev"][(scores[:, 0] < 0.5)]
        expected = np.histogram(visible, control.axes["mass"].edges)[0]
        np.testing.assert_array_equal(control[{"region": "gcr"}].view().value, expected)


def test_moving_hidden_data_changes_nothing(open_store, samples, classifiers, signal, tmp_path):
    """Replace the masses of all blinded candidates: the output must be identical bit by bit."""
    search = Search.MUMU
    columns = open_store.read(search, "data")
    scores = score_candidates(columns, classifiers[search.channel], "data")
    hidden = scores[:, 0] > REGIONS.sr_above_signal_score(search.channel)
    processor = HistogramProcessor(
        classifiers, {search: search_binning(signal[search], SCAN)}, REGIONS, luminosity_fb=LUMINOSITY_FB
    )
    moved = {**columns, "m_ll_gev": np.where(hidden, 1.234, columns["m_ll_gev"])}
    outputs = [
        processor.fill(content, samples["data"], search, "nominal", where="x")[0] for content in (columns, moved)
    ]
    for name in ("control", "signal_region", "signal"):
        assert getattr(outputs[0], name) == getattr(outputs[1], name)


def test_unblinding_shows_the_data_and_is_recorded(store, open_store, samples, classifiers, signal):
    output = run(store, samples, classifiers, signal, unblinding=UNBLINDING)[Search.EE]
    assert output["n_blinded"] == 0
    columns = open_store.read(Search.EE, "data")
    scores = score_candidates(columns, classifiers[Channel.EE], "data")
    n = np.count_nonzero(scores[:, 0] > REGIONS.sr_above_signal_score_ee)
    assert output["histograms"].contents("sr", Process.DATA).value.sum() == n
    unpacked = unpack_search(output["histograms"], manifest_of(Search.EE, output, UNBLINDING), signal[Search.EE])
    assert unpacked.data is not None
    assert unpacked.data.sum() == n


def test_files_return_what_was_written(blinded, signal, tmp_path):
    output = blinded[Search.EE_DISPLACED]
    path = tmp_path / "histograms" / "ee_displaced.zip"
    save_histograms(output["histograms"], manifest_of(Search.EE_DISPLACED, output), path)
    histograms, manifest = load_histograms(path)
    assert manifest == manifest_of(Search.EE_DISPLACED, output)
    for name in ("control", "signal_region", "signal"):
        written, read = getattr(output["histograms"].ordered(), name), getattr(histograms, name)
        assert read.axes.name == written.axes.name
        assert list(read.axes[0]) == list(written.axes[0])
        np.testing.assert_array_equal(read.values(flow=True), written.values(flow=True))
        np.testing.assert_array_equal(read.variances(flow=True), written.variances(flow=True))
    save_signal_models(signal[Search.EE_DISPLACED], tmp_path / "signal.zip")
    models = load_signal_models(tmp_path / "signal.zip")
    assert models.ctau_mm[0] == 0.0
    assert {10.0, 50.0} <= set(models.ctau_mm)
    # Where flights are a few tenths of a millimetre long, the samples, of 10 and 50 mm, have a handful of events.
    assert 0.1 in models.refused
    assert sorted([*models.ctau_mm, *models.refused]) == [0.0, *SignalShapeSettings().ctau_nodes_mm]
    assert models.refused == signal[Search.EE_DISPLACED].refused
    assert models.closure == signal[Search.EE_DISPLACED].closure
    assert [point.m_phi_gev for point in models.closure] == [0.08, 0.12]
    assert pickle.dumps(models.prompt) == pickle.dumps(signal[Search.EE_DISPLACED].prompt)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadInputError, match=r"ee_displaced\.zip: not a readable"):
        load_histograms(path)
    with pytest.raises(BadInputError, match="are the histograms filled"):
        load_signal_models(tmp_path / "nothing.zip")


def test_signal_follows_its_generated_properties(signal):
    model = signal[Search.MUMU].prompt
    # 300 candidates a mass: the resolution is known to about 6 %
    np.testing.assert_allclose(model.sigma_gev, 0.001 + 0.004 * model.shape_mass_gev, rtol=0.25)
    up = signal[Search.MUMU].models[0.0]["tracking_up"]
    np.testing.assert_allclose(up.efficiency, 1.02 * model.efficiency)
    displaced = signal[Search.EE_DISPLACED]
    assert displaced.models[50.0]["nominal"].efficiency[0] < 0.1 * model.efficiency[0]
    assert signal[Search.MUMU].ctau_mm == (0.0,)


def test_any_lifetime_lies_between_those_that_were_modelled(signal):
    models = signal[Search.EE_DISPLACED]
    for ctau, low, high in ((20.0, 10.0, 30.0), (60.0, 50.0, 100.0)):
        efficiencies = [models.efficiency_at(0.08, at).value for at in (low, ctau, high)]
        assert min(efficiencies[::2]) < efficiencies[1] < max(efficiencies[::2])
    node = models.models[30.0]["nominal"]
    assert models.efficiency_at(0.08, 30.0) == pytest.approx(node.efficiency_at(0.08))
    edges = np.array([0.0011, 0.07, 0.08, 0.09, 0.25])
    np.testing.assert_allclose(models.template_fractions(0.08, 30.0, edges), node.template_fractions(0.08, edges))
    between = models.template_fractions(0.08, 20.0, edges)
    assert between.sum() <= 1.0 + 1e-12
    with pytest.raises(LifetimeError, match="up to cτ = 300 mm"):
        models.efficiency_at(0.08, 301.0)
    with pytest.raises(LifetimeError, match="up to cτ = 0 mm"):
        signal[Search.MUMU].efficiency_at(1.0, 1.0)


def test_scale_factors_and_templates_of_all_mass_points(blinded, signal):
    histograms = {search: blinded[search]["histograms"] for search in Search}
    factors = fit_scale_factors(*control_inputs(histograms))
    for process, truth in TRUE_FACTORS.items():
        factor = factors.factors[process]
        assert abs(factor.value - truth) < 4 * factor.fit_error
        assert factor.fit_error < 0.25
    assert factors.p_value > 1e-3
    inputs = {
        search: unpack_search(histograms[search], manifest_of(search, blinded[search]), signal[search])
        for search in Search
    }
    for point in mass_points():
        templates = build_templates(point, inputs[point.search], factors, SCAN, TEMPLATES)
        n_bins = len(templates.edges_gev) - 1
        assert templates.data is None
        assert set(templates.scale_factors) == set(templates.backgrounds) == set(BACKGROUNDS)
        for template in (templates.signal, *templates.backgrounds.values()):
            assert set(template.variations) == {"tracking", "momentum_scale", "momentum_resolution", "photon_energy"}
            for yields in (template.nominal, template.stat_error, *sum(template.variations.values(), ())):
                assert yields.shape == (n_bins,)
                assert np.all(np.isfinite(yields))
                assert np.all(yields >= 0)
        assert np.all(sum(t.nominal for t in templates.backgrounds.values()) + templates.uniform > 0)
        efficiency = signal[point.search].prompt.efficiency_at(point.m_phi_gev).value
        assert 0.9 * efficiency < templates.signal.nominal.sum() / LUMINOSITY_FB <= efficiency * (1 + 1e-9)
        down, up = templates.backgrounds[Process.TAUTAU].variations["tracking"]
        np.testing.assert_allclose(up / down, 1.02 / 0.98)


def test_without_widening_templates_are_exact_sums(blinded, signal):
    histograms = blinded[Search.MUMU]["histograms"]
    factors = fit_scale_factors(*control_inputs({Search.MUMU: histograms}))
    inputs = unpack_search(histograms, manifest_of(Search.MUMU, blinded[Search.MUMU]), signal[Search.MUMU])
    point = next(p for p in mass_points() if p.m_phi_gev == 1.0)
    templates = build_templates(point, inputs, factors, SCAN, TemplateSettings(minimum_effective_events=0))
    whole = histograms.contents("sr", Process.TAUTAU)
    assert templates.backgrounds[Process.TAUTAU].nominal.sum() == pytest.approx(whole.value.sum())
    widened = build_templates(point, inputs, factors, SCAN, TEMPLATES)
    exact, estimated = (t.backgrounds[Process.TAUTAU] for t in (templates, widened))
    populated = (exact.nominal > 0) & (exact.nominal**2 >= 9 * exact.stat_error**2)
    assert np.any(populated)
    np.testing.assert_allclose(estimated.nominal[populated], exact.nominal[populated])


def test_wrong_combinations_are_named(blinded, signal):
    factors = fit_scale_factors(*control_inputs({s: blinded[s]["histograms"] for s in Search}))
    inputs = unpack_search(
        blinded[Search.EE]["histograms"], manifest_of(Search.EE, blinded[Search.EE]), signal[Search.EE]
    )
    with pytest.raises(IncompleteRunError, match=r"mumu m0\.225: is fitted in mumu"):
        build_templates(mass_points()[18], inputs, factors, SCAN, TEMPLATES)
    with pytest.raises(IncompleteRunError, match="cτ = 7 mm"):
        build_templates(mass_points()[8], inputs, factors, SCAN, TEMPLATES, ctau_mm=7.0)


def test_threshold_scan_reads_simulation_only(store, samples, classifiers):
    without_data = {name: sample for name, sample in samples.items() if not sample.is_data}
    scans = [
        find_threshold(
            store, known, classifiers[Channel.MUMU], REGIONS, ThresholdSettings(),
            luminosity_fb=LUMINOSITY_FB, half_window_sigma=2.0,
        )
        for known in (samples, without_data)
    ]  # fmt: skip
    assert scans[0] == scans[1]
    assert scans[0].best in scans[0].thresholds


def test_a_weight_that_is_not_a_number_is_named(samples, classifiers, signal, store):
    columns = store.read(Search.EE, "tautau")
    columns["weight_tracking_up"][3] = np.nan
    processor = HistogramProcessor(
        classifiers, {Search.EE: search_binning(signal[Search.EE], SCAN)}, REGIONS, luminosity_fb=LUMINOSITY_FB
    )
    with pytest.raises(BadInputError, match=r"tau\.parquet: weight_tracking_up is not finite for candidate 3"):
        processor.fill(columns, samples["tautau"], Search.EE, "nominal", where="tau.parquet")


def test_histograms_add(blinded):
    histograms = blinded[Search.EE]["histograms"]
    doubled = histograms + histograms
    assert isinstance(doubled, SearchHistograms)
    np.testing.assert_array_equal(doubled.control.values(), 2 * histograms.control.values())


def test_a_mass_parametrised_classifier_cannot_tell_signal_by_its_mass(store, samples):
    settings = SETTINGS.model_copy(update={"method": ClassifierMethod.MASS_PARAMETRISED, "mass_bins": 10})
    data = read_training_data(store, samples, Channel.MUMU, settings)
    names = classifier_inputs(Channel.MUMU, settings)
    assert names == (*FEATURES[Channel.MUMU], "m_ll_gev")
    hypothesis = data.features[:, -1]
    is_signal = data.label == 0
    # the hypothesis of signal is not the generated mass but anything up to half way to the next ones
    assert len(np.unique(hypothesis[is_signal])) == is_signal.sum()
    # a background candidate is taken at its own mass
    np.testing.assert_allclose(hypothesis[~is_signal], data.mass_gev[~is_signal], rtol=1e-6)
    weight = training_weights(data.label, data.group, data.weight, half_share_events=0.0)
    shares = [
        np.bincount(data.group[data.label == number], weight[data.label == number], 10)
        for number in np.unique(data.label)
    ]
    for share in shares:
        filled = share[share > 0]
        np.testing.assert_allclose(filled, filled[0])
    assert shares[0].sum() == pytest.approx(np.mean([share.sum() for share in shares[1:]]))
    trained = train_classifier(data, names, Channel.MUMU, settings).classifier
    columns = store.read(Search.MUMU, "tautau")
    assert score_candidates(columns, trained, "tautau").shape == (len(columns["event"]), 5)


def test_repeats_of_one_generated_event_meet_one_model():
    event = np.arange(1000)
    columns = {"experiment": np.zeros(1000, int), "run": np.ones(1000, int), "event": event}
    folds = candidate_folds(columns, "qqbar", n_folds=4, seed=1, repeats=5)
    assert np.all(folds.reshape(-1, 5) == folds[::5, np.newaxis])
    assert set(folds) == {0, 1, 2, 3}
