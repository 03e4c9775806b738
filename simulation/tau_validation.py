"""τ pairs from the library against τ pairs from Pythia, which correlates both spins in its own way.

    python -m simulation.tau_validation reference     # ten minutes: Pythia makes 80 events a second
    python -m simulation.tau_validation compare       # two minutes: prints the table of docs/simulation/validation.md

Nothing radiates in either, so that only decays and spins are compared. Pythia's histograms are kept beside this module.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from simulation.configuration import RadiationSettings, TauLibraryConfig
from simulation.generated import GeneratedEvents
from simulation.pythia_events import GENERATOR, event_batches, start_pythia
from simulation.tau_library import TAU, TauDecayLibrary, make_tau_decay_library
from simulation.tau_observables import TauPairDecays, tau_pair_observables
from simulation.tau_pairs import tau_pair_events

FloatArray = NDArray[np.float64]
REFERENCE: Final = Path(str(files("simulation") / "tau_reference.csv"))
SQRT_S_GEV: Final = 10.58
_PURPOSE: Final = "τ-pair reference"
_SETTINGS: Final = (
    "Beams:idA = 11",
    "Beams:idB = -11",
    f"Beams:eCM = {SQRT_S_GEV}",
    "PDF:lepton = off",
    "PartonLevel:ISR = off",
    "PartonLevel:FSR = off",
    "PartonLevel:MPI = off",
    "WeakSingleBoson:ffbar2gmZ = on",
    "23:mMin = 3.6",
    "PhaseSpace:mHatMin = 3.6",
    "23:onMode = off",
    "23:onIfAny = 15",
    "111:mayDecay = off",
)
_PI_RHO: Final = ("15:onMode = off", "15:onIfMatch = 16 -211", "15:onIfMatch = 16 -211 111")
_REFERENCE_SAMPLES: Final = ((30_000, 8, ()), (25_000, 7, _PI_RHO))
"""Events, seed and further settings: all decays, and πν and ρν alone for what is conditional on these two."""
_BATCH: Final = 500
_NO_RADIATION: Final = RadiationSettings(fraction_min=0.88)
"""Photons are followed only just below the largest fraction; the few events that have one are left out."""
_CONDITIONAL: Final = ("ππ:", "πρ:", "ρρ:")
_COMPARED: Final = 1_000_000
"""Events of ours."""
_DECAYS: Final = 100_000
"""Decays in the library they are made from."""
_PARTS: Final = 20


class Comparison(NamedTuple):
    """One observable in both generators."""

    name: str
    n_reference: int
    chi2: float
    degrees_of_freedom: int
    p_value: float


def histograms(events: GeneratedEvents) -> dict[str, FloatArray]:
    """Return the counts of every observable, the first and last bin with what lies beyond."""
    counts = {}
    for name, observable in tau_pair_observables(TauPairDecays.of(events)).items():
        width = (observable.high - observable.low) / observable.bins
        cell = np.clip(((observable.values - observable.low) / width).astype(np.int64), 0, observable.bins - 1)
        counts[name] = np.bincount(cell, minlength=observable.bins).astype(np.float64)
    return counts


def library_histograms(
    library: TauDecayLibrary, n: int, rng: np.random.Generator, *, parts: int = _PARTS
) -> list[dict[str, FloatArray]]:
    """Return the histograms of `n` events in all, in parts that share neither random numbers nor decays.

    How much the parts differ holds the finite number of decays in the library as well.
    """
    return [histograms(_unradiated(n // parts, library.take(slice(i, None, parts)), rng)) for i in range(parts)]


def compare(reference: dict[str, FloatArray], ours: list[dict[str, FloatArray]]) -> list[Comparison]:
    """Return χ² of the shapes of all observables.

    Parameters
    ----------
    reference
        Counts of independent events.
    ours
        Counts of independent parts. The variance of their sum is Poisson's times a factor that an observable's bins
        have in common.
    """
    compared = []
    for name, expected in reference.items():
        parts = np.stack([part[name] for part in ours])
        total = parts.sum(axis=0)
        poisson = total * (1.0 - total / total.sum())
        shapes = parts / parts.sum(axis=1, keepdims=True) * total.sum()
        scatter = shapes.var(axis=0, ddof=1) / len(parts)
        filled = total > 0
        inflation = max(1.0, scatter[filled].sum() / poisson[filled].sum())
        merged = _merged(expected, total)
        chi2, freedom = _chi2(*merged, inflation)
        compared.append(Comparison(name, int(expected.sum()), chi2, freedom, float(stats.chi2.sf(chi2, freedom))))
    return compared


def read_reference(path: Path = REFERENCE) -> dict[str, FloatArray]:
    """Return Pythia's counts by observable."""
    found: dict[str, list[float]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            found.setdefault(row["observable"], []).append(float(row["count"]))
    return {name: np.array(counts) for name, counts in found.items()}


def write_reference(path: Path = REFERENCE) -> None:
    """Run Pythia and write its counts."""
    total: dict[str, FloatArray] = {}
    for n, seed, settings in _REFERENCE_SAMPLES:
        for events in _pythia(n, seed, settings):
            for name, counts in histograms(events).items():
                if not settings or name.startswith(_CONDITIONAL):
                    total[name] = total.get(name, np.zeros_like(counts)) + counts
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {GENERATOR}, made by: python -m simulation.tau_validation reference\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["observable", "bin", "count"])
        for name, counts in total.items():
            writer.writerows([name, number, int(count)] for number, count in enumerate(counts))


def table(comparisons: list[Comparison]) -> str:
    """Return the comparisons as a Markdown table."""
    lines = ["| observable | Pythia entries | χ²/dof | p |", "| --- | ---: | ---: | ---: |"]
    lines += [
        f"| {c.name} | {c.n_reference} | {c.chi2:.1f}/{c.degrees_of_freedom} | {c.p_value:.3f} |" for c in comparisons
    ]
    return "\n".join(lines)


def _pythia(n: int, seed: int, settings: tuple[str, ...]) -> Iterator[GeneratedEvents]:
    yield from event_batches(start_pythia((*_SETTINGS, *settings), seed, _PURPOSE), n, _BATCH, _PURPOSE)


def _unradiated(n: int, library: TauDecayLibrary, rng: np.random.Generator) -> GeneratedEvents:
    events = tau_pair_events(n, SQRT_S_GEV, library, rng, _NO_RADIATION)
    first = events.offsets[:-1]
    return events.select((events.E[first] + events.E[first + 1] > SQRT_S_GEV - 1e-6) & (events.pdg[first] == TAU))


def _merged(first: FloatArray, second: FloatArray, least: float = 10.0) -> tuple[FloatArray, FloatArray]:
    """Return both histograms with neighbouring bins joined until the first has `least` entries in each."""
    starts, content = [0], 0.0
    for number, count in enumerate(first):
        if content >= least:
            starts.append(number)
            content = 0.0
        content += count
    if content < least and len(starts) > 1:
        starts.pop()
    return np.add.reduceat(first, starts), np.add.reduceat(second, starts)


def _chi2(first: FloatArray, second: FloatArray, inflation: float) -> tuple[float, int]:
    """Return χ² and degrees of freedom of two shapes, the second with `inflation` times Poisson's variance.

    Counts n and m·r share one distribution of which the best estimate is their sum, weighted by precision (as for two
    histograms in F. James, Statistical Methods in Experimental Physics, 2nd ed., 11.2).
    """
    effective = second / inflation
    n, m = first.sum(), effective.sum()
    pooled = first + effective
    chi2 = np.sum((np.sqrt(m / n) * first - np.sqrt(n / m) * effective) ** 2 / pooled)
    return float(chi2), len(first) - 1


def main() -> None:
    """Make the reference or compare with it."""
    match sys.argv[1:]:
        case ["reference"]:
            write_reference()
        case ["compare"]:
            library = make_tau_decay_library(_DECAYS, TauLibraryConfig(), np.random.default_rng(71))
            ours = library_histograms(library, _COMPARED, np.random.default_rng(72))
            sys.stdout.write(table(compare(read_reference(), ours)) + "\n")
        case _:
            sys.exit("python -m simulation.tau_validation reference|compare")


if __name__ == "__main__":
    main()
