"""Every background process: what it is normalised to and how to generate it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from models.errors import LeptophileError
from models.search import Process
from simulation.beams import sqrt_s_gev
from simulation.configuration import CrossSection, SimulationConfig
from simulation.continuum import continuum_events
from simulation.electron_exchange import ElectronExchange
from simulation.four_lepton import four_lepton_cross_section_fb, four_lepton_events
from simulation.generated import GeneratedEvents, batch_sizes
from simulation.lepton_pairs import bhabha_cross_section, bhabha_events, muon_pair_cross_section, muon_pair_events
from simulation.libraries import DecayLibraries
from simulation.tau_pairs import tau_pair_events
from simulation.two_photon import two_photon_cross_section_fb, two_photon_events
from simulation.upsilon import upsilon_events


class UnknownProcessError(LeptophileError):
    """A process that is not a background was asked for as one."""


def background_cross_section(process: Process, config: SimulationConfig) -> CrossSection:
    """Return the cross-section of what `background_events` makes of a process.

    Raises
    ------
    UnknownProcessError
        If it is not a background.
    """
    totals, energy = config.cross_sections, sqrt_s_gev(config.beams)
    match process:
        case Process.TAUTAU:
            return totals.tautau
        case Process.QQBAR:
            return totals.qqbar
        case Process.BBBAR:
            return totals.bbbar
        case Process.BHABHA:
            return bhabha_cross_section(totals, energy, config.lepton_pairs, config.radiation)
        case Process.DIMUON:
            return muon_pair_cross_section(totals.dimuon, energy, config.lepton_pairs, config.radiation)
        case Process.TWOPHOTON:
            value_fb = two_photon_cross_section_fb(energy, config.two_photon)
            return CrossSection(value_fb=value_fb, source="equivalent-photon approximation, integrated as generated")
        case Process.TAUTAULL:
            source = (
                "tree-level QED, initial-state radiation, vacuum polarisation (models.theory.four_lepton_cross_section)"
            )
            value_fb = four_lepton_cross_section_fb(energy, _electron_exchange(energy, config))
            return CrossSection(value_fb=value_fb, source=source)
        case _:
            raise UnknownProcessError(f"'{process}' is not a simulated background")


def background_events(
    process: Process, n: int, libraries: DecayLibraries, config: SimulationConfig, rng: np.random.Generator
) -> Iterator[GeneratedEvents]:
    """Yield batches of events of a background in the centre-of-mass frame, `n` in all.

    Parameters
    ----------
    process
        The background.
    n
        Number of events.
    libraries
        Decays of τ's and B mesons.
    config
        Everything about the generators.
    rng
        Random stream.

    Raises
    ------
    UnknownProcessError
        If it is not a background.
    """
    energy, batch = sqrt_s_gev(config.beams), config.production.batch_events
    sizes = batch_sizes(n, batch)
    importance = config.production.importance_of(process)
    match process:
        case Process.TAUTAU:
            for size in sizes:
                yield tau_pair_events(size, energy, libraries.tau, rng, config.radiation, importance)
        case Process.QQBAR:
            yield from continuum_events(n, batch, energy, config.continuum, rng, importance)
        case Process.BBBAR:
            yield from upsilon_events(n, batch, energy, config.upsilon, libraries.b, rng, importance)
        case Process.BHABHA:
            for size in sizes:
                yield bhabha_events(size, energy, rng, config.lepton_pairs, config.radiation)
        case Process.DIMUON:
            for size in sizes:
                yield muon_pair_events(size, energy, rng, config.lepton_pairs, config.radiation)
        case Process.TWOPHOTON:
            yield from two_photon_events(n, batch, energy, config.two_photon, libraries.tau, rng, importance)
        case Process.TAUTAULL:
            for size in sizes:
                exchange = _electron_exchange(energy, config)
                yield four_lepton_events(size, energy, libraries.tau, rng, config.radiation, importance, exchange)
        case _:
            raise UnknownProcessError(f"'{process}' is not a simulated background")


def _electron_exchange(energy_gev: float, config: SimulationConfig) -> ElectronExchange | None:
    if not config.electron_exchange.enabled:
        return None
    angle_rad = float(np.deg2rad(config.two_photon.scattering_angle_min_deg))
    return ElectronExchange(energy_gev, angle_rad, config.electron_exchange.photons)
