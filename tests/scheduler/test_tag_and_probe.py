"""Closure of tag and probe: pseudo-data of known shifted efficiencies come back within their errors."""

from pathlib import Path

import numpy as np
import pytest

from models.tag_and_probe import PeakSettings, PeakWindow, TagAndProbeError, fit_efficiency
from processors.configuration import CandidateSettings
from processors.control_samples import ControlSample, Probes, read_probes
from processors.correction_sets import CorrectionName, Variation, load_corrections
from processors.correction_tables import write_correction_set
from scheduler.tag_and_probe import TagAndProbeSettings, main, measure
from simulation.configuration import SimulationConfig
from simulation.validation.control_samples import write_control_sample

CANDIDATES = CandidateSettings()
SETTINGS = TagAndProbeSettings(momentum_edges_gev=(0.3, 1.5, 4.0), theta_edges_deg=(17.0, 75.0, 150.0))
SAMPLES = {ControlSample.JPSI_MUMU: 7000, ControlSample.KSHORT_PIPI: 5000}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Independent ntuples of two control samples, as simulation and as what pseudo-data are made of."""
    made = {}
    for seed, kind in enumerate(("simulation", "data")):
        made[kind] = tmp_path_factory.mktemp(kind)
        for sample, n in SAMPLES.items():
            write_control_sample(sample, n, made[kind], SimulationConfig(), seed=seed)
    return made


@pytest.fixture(scope="module")
def probes(folders) -> dict[str, dict[ControlSample, Probes]]:
    return {
        kind: {s: read_probes(next((folder / s).glob("*.root")), s, CANDIDATES) for s in SAMPLES}
        for kind, folder in folders.items()
    }


def true_ratio(p_gev, charge):
    """The efficiency of pseudo-data over that of simulation."""
    return np.where(p_gev < 1.5, 0.85, 0.95) - 0.04 * (charge > 0)


def with_lost_muons(sample: Probes, rng) -> Probes:
    kept = rng.random(len(sample.value)) < true_ratio(sample.tracks.p_gev, sample.tracks.charge)
    return sample._replace(leptons=sample.leptons._replace(muon=sample.leptons.muon & kept))


def test_shifted_efficiencies_come_back_within_their_errors(probes, tmp_path):
    rng = np.random.default_rng(4)
    shifted = with_lost_muons(probes["data"][ControlSample.JPSI_MUMU], rng)
    corrections = measure(
        {ControlSample.JPSI_MUMU: shifted},
        {ControlSample.JPSI_MUMU: probes["simulation"][ControlSample.JPSI_MUMU]},
        SETTINGS,
    )
    write_correction_set(corrections, "closure", tmp_path / "closure.json.gz")
    measured = load_corrections(["default", str(tmp_path / "closure.json.gz")])
    p, theta, charge = (a.ravel() for a in np.meshgrid([0.9, 2.5], [50.0, 100.0], [-1.0, 1.0], indexing="ij"))
    name = CorrectionName.IDENTIFICATION_MUON
    nominal, up = (
        measured.evaluate(name, v, p_gev=p, theta_deg=theta, charge=charge) for v in (Variation.NOMINAL, Variation.UP)
    )
    error = up - nominal
    pulls = (nominal - true_ratio(p, charge)) / error
    assert np.all(error < 0.04)
    # eight bins of unit pulls
    assert np.sum(pulls**2) < 8 + 4 * np.sqrt(2 * 8)
    assert np.any(nominal + 2.0 * error < 1.0)
    # the J/ψ gives a scale and a resolution that are those of the simulation, within their errors
    for correction in (CorrectionName.MOMENTUM_SCALE, CorrectionName.MOMENTUM_RESOLUTION):
        inputs = {"p_gev": 1.0, "theta_deg": 90.0, "charge": 1.0}
        value, high = (measured.evaluate(correction, v, **inputs) for v in (Variation.NOMINAL, Variation.UP))
        assert abs(value - 1.0) < 4.0 * (high - value)
        assert high - value < 0.05


def test_lost_tracks_and_a_wrong_photon_energy_come_back_within_their_errors(tmp_path):
    """Pseudo-data that lost a tenth of the tracks, more at low momentum, and whose calorimeter reads 3 % too high."""
    sample, rng = ControlSample.RECOIL_MUMU, np.random.default_rng(8)
    settings = TagAndProbeSettings(
        momentum_edges_gev=(0.3, 3.5, 9.0),
        theta_edges_deg=(17.0, 150.0),
        charge_edges=(-2.0, 2.0),
        photon_theta_edges_deg=(17.0, 150.0),
    )
    simulated, measured = (
        read_probes(
            write_control_sample(sample, 15_000, tmp_path / str(seed), SimulationConfig(), seed=seed),
            sample,
            CANDIDATES,
        )
        for seed in (0, 1)
    )
    kept = rng.random(len(measured.value)) < np.where(measured.tracks.p_gev < 3.5, 0.8, 0.9)
    data = measured._replace(
        is_found=measured.is_found & kept,
        value=1.03 * measured.value,
        photon_energy_gev=1.03 * measured.photon_energy_gev,
    )
    write_correction_set(measure({sample: data}, {sample: simulated}, settings), "recoil", tmp_path / "recoil.json")
    corrections = load_corrections(["default", str(tmp_path / "recoil.json")])
    tracks = {"p_gev": np.array([2.0, 5.0]), "theta_deg": np.full(2, 80.0), "charge": np.ones(2)}
    photons = {"energy_gev": np.array([1.0, 3.0]), "theta_deg": np.full(2, 80.0)}
    for name, inputs, true in (
        (CorrectionName.TRACKING, tracks, np.array([0.8, 0.9])),
        (CorrectionName.PHOTON_ENERGY, photons, 1.03),
    ):
        value, up = (corrections.evaluate(name, v, **inputs) for v in (Variation.NOMINAL, Variation.UP))
        assert np.all(up - value < 0.03)
        assert np.all(np.abs(value - true) < 3.0 * (up - value))
        assert np.all(np.abs(value - 1.0) > 3.0 * (up - value))


def test_the_tool_goes_from_ntuples_to_a_set_that_the_analysis_takes(folders, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("scheduler.tag_and_probe.TagAndProbeSettings", lambda: SETTINGS)
    arguments = ["--data", str(folders["data"]), "--simulation", str(folders["simulation"])]
    out = tmp_path / "measured.json"
    assert main([*arguments, "--out", str(out)]) == 0
    assert "misidentification_electron" in capsys.readouterr().out
    corrections = load_corrections(["default", str(out)])
    inputs = {"p_gev": np.array([0.8]), "theta_deg": np.array([80.0]), "charge": np.array([1.0])}
    for name in ControlSample.KSHORT_PIPI.measures[:2]:
        value, up = (corrections.evaluate(name, v, **inputs) for v in (Variation.NOMINAL, Variation.UP))
        # the same detector: ratios of one, with the errors of the few pions that are misidentified
        assert abs(value - 1.0) < 4.0 * (up - value)
    right = corrections.evaluate(CorrectionName.KAON_PION, Variation.NOMINAL, **inputs, correctly_identified=np.ones(1))
    assert right == pytest.approx(1.0, abs=0.05)


def test_a_bin_without_probes_is_named(probes):
    too_fine = TagAndProbeSettings(momentum_edges_gev=(0.3, 4.0, 9.0, 10.0))
    with pytest.raises(TagAndProbeError, match=r"'identification_muon': no control sample has .* 4 < p_gev < 9"):
        measure(
            {ControlSample.JPSI_MUMU: probes["data"][ControlSample.JPSI_MUMU]},
            {ControlSample.JPSI_MUMU: probes["simulation"][ControlSample.JPSI_MUMU]},
            too_fine,
        )


def test_folders_without_control_samples_are_refused(tmp_path, capsys):
    arguments = ["--data", str(tmp_path), "--simulation", str(tmp_path), "--out", str(tmp_path / "x.json")]
    assert main(arguments) == 1
    assert "no folder of a control sample" in capsys.readouterr().err


def test_the_peak_fit_is_unbiased_under_background():
    """Pulls of the efficiency over pseudo-experiments with as much background as signal, of another efficiency."""
    window = PeakWindow(low=0.0, high=1.0, centre=0.5, width=0.05, n_bins=40)
    pulls = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        value = np.concatenate([rng.normal(0.5, 0.05, 500), rng.random(500)])
        passes = np.concatenate([rng.random(500) < 0.8, rng.random(500) < 0.3])
        fit = fit_efficiency(value, passes, window, PeakSettings(), where="toy")
        pulls.append((fit.efficiency - 0.8) / fit.efficiency_error)
    assert abs(np.mean(pulls)) < 4.0 / np.sqrt(60)
    assert abs(np.std(pulls) - 1.0) < 4.0 / np.sqrt(120)
