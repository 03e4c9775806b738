"""How much luminosity the simulation of each background is worth, after each stage of the analysis.

Weighted events are worth N = (Σw)²/Σw² unweighted ones. With a visible cross-section σ_vis = σ Σw(selected) / Σw(all)
that makes an effective luminosity N / σ_vis. Copies of one generated event count as one. Importance sampling makes it
larger than that of the generated events where it was aimed, and different from stage to stage.

τ's and B mesons decay by drawing from a library, whose size limits what any number of events is worth. The relative
variance that a library of n decays leaves is c/n (docs/simulation/generators.md), so that N is below n/c.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Final, NamedTuple

from models.search import BACKGROUNDS, Channel, Process, Search
from processors.cutflow import Cut, SampleSummary
from processors.histograms import SearchHistograms
from processors.regions import GENERAL_CONTROL_REGION, SIGNAL_REGION
from processors.sample import SampleMetadata

STAGES: Final = (Cut.FOUR_GOOD_TRACKS, Cut.LEPTON_PAIR, Cut.PHI_CANDIDATE)
"""Requirements after which the effective luminosity is given, before those of the regions."""


LIBRARY_VARIANCE: Final[Mapping[Process, Mapping[str, Mapping[Channel, float]]]] = {
    Process.BBBAR: {
        Cut.FOUR_GOOD_TRACKS: {Channel.EE: 20.0, Channel.MUMU: 20.0},
        Cut.LEPTON_PAIR: {Channel.EE: 84.0, Channel.MUMU: 50.0},
    },
}
"""Measured c of the relative variance c/n that a library of n decays leaves. Later requirements are not known."""


class EffectiveLuminosity(NamedTuple):
    """What one background's simulation is worth at one stage of one search."""

    search: Search
    stage: str
    """A requirement of the cutflow, or a region."""
    process: Process
    expected: float
    """Events expected at the luminosity of the run, before scale factors."""
    error: float
    """Its uncertainty from the size of the simulation; zero also where no event is left and it is not known."""
    luminosity_fb: float | None
    """Effective luminosity in fb⁻¹, None where no simulated event is left and nothing is known."""
    library_limit_fb: float | None = None
    """What it can be at most with the library of decays that the simulation drew from, in fb⁻¹; None if not known."""


def effective_luminosity_fb(expected: float, variance: float, luminosity_fb: float) -> float | None:
    """Return the luminosity at which unweighted events would have the given relative uncertainty.

    Parameters
    ----------
    expected
        Σw of weights normalised to `luminosity_fb`.
    variance
        Σw² of the same.
    luminosity_fb
        Luminosity of the normalisation, in fb⁻¹.

    Examples
    --------
    A hundred events of weight 1/2 for 1 fb⁻¹ are worth 2 fb⁻¹:

    >>> effective_luminosity_fb(50.0, 25.0, 1.0)
    2.0
    """
    # N_eff / (expected / L) with N_eff = expected² / variance
    return float(luminosity_fb * expected / variance) if variance > 0.0 else None


def effective_luminosities(
    summaries: Mapping[str, SampleSummary],
    samples: Mapping[str, SampleMetadata],
    histograms: Mapping[Search, SearchHistograms],
    luminosity_fb: float,
    library_sizes: Mapping[Process, int] | None = None,
) -> list[EffectiveLuminosity]:
    """Return the effective luminosity of every background at every stage of every search.

    Parameters
    ----------
    summaries, samples
        Sample name → counts of the selection, and metadata.
    histograms
        Of every search, for the regions.
    luminosity_fb
        That the histograms are normalised to.
    library_sizes
        Decays in the library that a background's events are made from, where there is one.
    """
    return [
        EffectiveLuminosity(
            search,
            stage,
            process,
            expected,
            sqrt(variance),
            effective_luminosity_fb(expected, variance, luminosity_fb),
            _library_limit_fb(process, search, stage, expected, luminosity_fb, library_sizes or {}),
        )
        for search in Search
        for process in BACKGROUNDS
        for stage, expected, variance in (
            *_cut_stages(process, search, summaries, samples, luminosity_fb),
            *_region_stages(process, histograms[search]),
        )
    ]


def _library_limit_fb(
    process: Process,
    search: Search,
    stage: str,
    expected: float,
    luminosity_fb: float,
    library_sizes: Mapping[Process, int],
) -> float | None:
    constant = LIBRARY_VARIANCE.get(process, {}).get(stage, {}).get(search.channel)
    size = library_sizes.get(process)
    if constant is None or size is None or expected <= 0.0:
        return None
    return effective_luminosity_fb(expected, expected**2 * constant / size, luminosity_fb)


def describe_cut_stages(
    summaries: Mapping[str, SampleSummary], samples: Mapping[str, SampleMetadata], luminosity_fb: float
) -> list[str]:
    """Return a line for each search and background on its effective luminosities after stages of the cutflow.

    Parameters
    ----------
    summaries, samples
        Sample name → counts of the selection, and metadata.
    luminosity_fb
        Luminosity that expected events are given for.
    """
    simulated = {sample.process for name, sample in samples.items() if name in summaries}
    lines = []
    for search in Search:
        for process in (process for process in BACKGROUNDS if process in simulated):
            parts = []
            for stage, expected, variance in _cut_stages(process, search, summaries, samples, luminosity_fb):
                worth = effective_luminosity_fb(expected, variance, luminosity_fb)
                shown = "no event" if worth is None else f"{worth:.3g} fb⁻¹ ({expected:.3g} expected)"
                parts.append(f"{stage} {shown}")
            lines.append(f"{search} {process}: {', '.join(parts)}")
    return lines


def _cut_stages(
    process: Process,
    search: Search,
    summaries: Mapping[str, SampleSummary],
    samples: Mapping[str, SampleMetadata],
    luminosity_fb: float,
) -> Iterator[tuple[str, float, float]]:
    own = [name for name in summaries if samples[name].process is process]
    for stage in STAGES:
        parts = [_normalised(summaries[name], samples[name], search, stage, luminosity_fb) for name in own]
        yield str(stage), sum(part[0] for part in parts), sum(part[1] for part in parts)


def _normalised(
    summary: SampleSummary, sample: SampleMetadata, search: Search, stage: Cut, luminosity_fb: float
) -> tuple[float, float]:
    """Return Σw and Σw² after a requirement, normalised to the luminosity."""
    if sample.cross_section_fb is None or not sample.sum_weights:
        return 0.0, 0.0
    scale = sample.cross_section_fb * luminosity_fb / sample.sum_weights
    counted = summary["cutflow"][search][stage]
    return scale * counted["weighted"], scale**2 * counted["weighted2"]


def _region_stages(process: Process, histograms: SearchHistograms) -> Iterator[tuple[str, float, float]]:
    for region in (GENERAL_CONTROL_REGION, SIGNAL_REGION):
        contents = histograms.contents(region, process)
        yield region, contents.total, contents.total_variance
