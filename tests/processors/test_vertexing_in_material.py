"""Why the pulls of φ→e⁺e⁻ are wide: bremsstrahlung, and nothing else, with the detector's simulation as judge."""

import numpy as np
from scipy import stats

from models.helix import Helix
from models.kinematics import unit_vector, with_mass
from models.lifetime import LifetimeMixture
from models.search import PHI_PDG, Channel
from processors.configuration import VertexFitSettings
from processors.vertexing import fit_vertices
from simulation.detector.configuration import DetectorConfig
from simulation.detector.tracking import find_tracks
from simulation.generated import GeneratedEvents
from simulation.phi_decay import decay_phi

MASS_GEV = 0.1
N_PHI = 6000


def prompt_pairs() -> GeneratedEvents:
    """φ's of 1 to 5 GeV at the interaction point that decay to e⁺e⁻ there."""
    rng = np.random.default_rng(8)
    direction = unit_vector(rng.uniform(-0.7, 0.8, N_PHI), rng.uniform(-np.pi, np.pi, N_PHI))
    phi = with_mass(rng.uniform(1.0, 5.0, N_PHI)[:, np.newaxis] * direction, MASS_GEV)
    events = GeneratedEvents.from_table(np.full((N_PHI, 1), PHI_PDG, dtype=np.int32), phi[:, np.newaxis])
    return decay_phi(events, events.offsets[:-1], Channel.EE, LifetimeMixture.single(0.0), rng)


def pulls_and_probability(thickness_factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Return pulls of vertex and mass, shape (n, 4), and χ² probabilities with the material scaled."""
    detector = DetectorConfig()
    layers = [
        layer.model_copy(update={"x_over_x0": thickness_factor * layer.x_over_x0}) for layer in detector.material.layers
    ]
    events = prompt_pairs()
    tracks = find_tracks(
        events,
        np.random.default_rng(9),
        tracking=detector.tracking,
        material=detector.material.model_copy(update={"layers": tuple(layers)}),
    ).tracks
    event = events.event_index[tracks.particle]
    both = np.flatnonzero(event[1:] == event[:-1])
    first, second = (
        (Helix(*(parameter[row] for parameter in tracks.helix)), tracks.covariance[row]) for row in (both, both + 1)
    )
    fit = fit_vertices(*first, *second, Channel.EE.lepton_mass_gev, detector.tracking.field_tesla, VertexFitSettings())
    good = fit.converged
    assert np.mean(good) > 0.998
    vertex = events.vertex[tracks.particle[both], :3]
    variance = np.diagonal(fit.covariance[:, :3, :3], axis1=1, axis2=2)
    position = (fit.position_mm - vertex) / np.sqrt(variance)
    mass = (fit.mass_gev - MASS_GEV) / fit.mass_error_gev
    return np.column_stack([position, mass])[good], stats.chi2.sf(fit.chi2[good], 1)


def test_without_material_electrons_have_unit_pulls():
    pulls, probability = pulls_and_probability(0.0)
    # 5000 pairs measure a width to 1 % and a mean to 0.014.
    np.testing.assert_allclose(pulls.std(axis=0), 1.0, atol=0.05)
    np.testing.assert_allclose(pulls.mean(axis=0), 0.0, atol=0.06)
    assert stats.kstest(probability, "uniform").pvalue > 0.003


def test_with_material_the_mass_is_low_and_the_pulls_wide():
    pulls, probability = pulls_and_probability(1.0)
    position, mass = pulls[:, :3], pulls[:, 3]
    # Each electron crosses 3 % of a radiation length or more; half of the pairs lose more than 1 % of their mass.
    assert np.median(mass) < -0.2
    assert mass.std() > 1.5
    # A photon emitted off the perigee turns the tracks about different points: the vertex is off, to either side.
    assert np.all(position.std(axis=0) > 1.2)
    np.testing.assert_allclose(np.median(position, axis=0), 0.0, atol=0.1)
    assert 0.02 < np.mean(probability < 0.01) < 0.1
