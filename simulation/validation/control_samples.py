"""Control samples from particle guns, as ntuples that `scheduler.tag_and_probe` reads.

    python -m simulation.validation.control_samples --out FOLDER

Each event is one decay, or one pair with a photon, through the detector simulation. There is no background in them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from models.constants import JPSI_MASS_GEV
from models.kinematics import unit_vector, with_mass
from models.search import Process
from processors.control_samples import ControlSample
from processors.ntuple_writer import write_ntuple
from simulation.beams import beam_four_momentum, to_laboratory
from simulation.configuration import SimulationConfig
from simulation.detector.response import simulate_detector
from simulation.detector.species import ELECTRON, MUON, PHOTON, PION
from simulation.generated import GeneratedEvents
from simulation.lepton_pairs import bhabha_events, muon_pair_events
from simulation.pipeline import GeneratedSums, Survivors
from simulation.production import event_columns, metadata
from simulation.tasks import ProductionTask
from simulation.validation.particle_guns import single_particles, two_body_decays
from simulation.validation.resonances import JPSI_PDG, KAON_SHORT_CTAU_MM, KAON_SHORT_MASS_GEV, KAON_SHORT_PDG

FAST_GEV = (0.2, 4.0)
"""Momenta of the decaying particles."""
COSINES = (-0.8, 0.92)
"""Their polar angles, over the tracker's acceptance."""


def generate(sample: ControlSample, n: int, rng: np.random.Generator, config: SimulationConfig) -> GeneratedEvents:
    """Return events of a control sample in the laboratory, before the detector.

    Parameters
    ----------
    sample
        Which.
    n
        Number of events.
    rng
        Random stream.
    config
        Of the simulation.
    """
    if sample in (ControlSample.RADIATIVE_EE, ControlSample.RADIATIVE_MUMU, ControlSample.RECOIL_MUMU):
        make = bhabha_events if sample is ControlSample.RADIATIVE_EE else muon_pair_events
        beam = beam_four_momentum(config.beams)
        sqrt_s = float(np.sqrt(beam[3] ** 2 - np.sum(beam[:3] ** 2)))
        return to_laboratory(make(n, sqrt_s, rng, config.lepton_pairs, config.radiation), config.beams, rng).events
    momentum, cosine = rng.uniform(*FAST_GEV, n), rng.uniform(*COSINES, n)
    if sample is ControlSample.CONVERSION:
        return single_particles(PHOTON, momentum, np.arccos(cosine), rng)
    mass, pdg, ctau_mm, daughter = {
        ControlSample.JPSI_EE: (JPSI_MASS_GEV, JPSI_PDG, 0.0, ELECTRON),
        ControlSample.JPSI_MUMU: (JPSI_MASS_GEV, JPSI_PDG, 0.0, MUON),
        ControlSample.KSHORT_PIPI: (KAON_SHORT_MASS_GEV, KAON_SHORT_PDG, KAON_SHORT_CTAU_MM, PION),
    }[sample]
    direction = unit_vector(cosine, rng.uniform(-np.pi, np.pi, n))
    mother = with_mass(momentum[:, None] * direction, np.full(n, mass))
    return two_body_decays(mother, pdg, (daughter, -daughter), ctau_mm, rng)


def write_control_sample(
    sample: ControlSample, n: int, folder: Path, config: SimulationConfig, *, seed: int = 1
) -> Path:
    """Simulate a control sample and write it as ``<folder>/<sample>/<sample>_000.root``.

    Parameters
    ----------
    sample, n, config
        As for `generate`.
    folder
        Where the folder of the sample is made.
    seed
        Random seed.
    """
    rng = np.random.default_rng([seed, list(ControlSample).index(sample)])
    events = generate(sample, n, rng, config)
    point = np.zeros((events.n_events, 3))
    detected = simulate_detector(events, point, rng, config.detector)
    task = ProductionTask(str(sample), Process.QQBAR, 0, run=1, production=0, seed=seed, n_events=n)
    survivors = Survivors(detected.columns(), point, np.ones(n), np.arange(n))
    columns = event_columns(task, survivors, survivors.number, config) | survivors.columns
    path = folder / task.file_name
    write_ntuple(path, columns, metadata(task, GeneratedSums(n, n, n), config))
    return path


def main() -> None:
    """Write every control sample."""
    parser = argparse.ArgumentParser(prog="python -m simulation.validation.control_samples", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--events", type=int, default=50_000, help="events of each sample")
    parser.add_argument("--seed", type=int, default=1, help="random seed")
    options = parser.parse_args()
    for sample in ControlSample:
        write_control_sample(sample, options.events, options.out, SimulationConfig(), seed=options.seed)


if __name__ == "__main__":
    main()
