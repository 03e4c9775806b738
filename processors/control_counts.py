"""Control-region histograms as the inputs of the scale-factor fit."""

from collections.abc import Iterator, Mapping

from models.normalisation import ControlRegion, SpecialRegion
from models.search import BACKGROUNDS, Process, Search, classifier_classes
from processors.histograms import SearchHistograms
from processors.regions import GENERAL_CONTROL_REGION, special_control_region

NORMALISED_SEARCHES = (Search.EE, Search.MUMU)
"""Searches whose control regions enter the fit; the displaced search shares most of its events with `ee`."""


def control_inputs(
    histograms: Mapping[Search, SearchHistograms],
) -> tuple[list[ControlRegion], list[SpecialRegion]]:
    """Return the fit's distributions: m(ℓℓ) in each class of the highest background score, and the special regions.

    Parameters
    ----------
    histograms
        By search; `ee` and `mumu` are used, as far as present.
    """
    present = {search: histograms[search] for search in NORMALISED_SEARCHES if search in histograms}
    general = [region for search, counted in present.items() for region in _general_regions(search, counted)]
    special = [region for search, counted in present.items() for region in _special_regions(search, counted)]
    return general, special


def _general_regions(search: Search, histograms: SearchHistograms) -> Iterator[ControlRegion]:
    for leading in histograms.control.axes["leading"]:
        contents = {
            process: histograms.contents(GENERAL_CONTROL_REGION, process, leading=leading)
            for process in (Process.DATA, *_simulated(histograms))
        }
        data = contents.pop(Process.DATA)
        yield ControlRegion(
            name=f"{search} {GENERAL_CONTROL_REGION}, mostly {leading}",
            data=data.value,
            expected={process: content.value for process, content in contents.items()},
            variance={process: content.variance for process, content in contents.items()},
            pairs={process: content.pairs for process, content in contents.items()},
        )


def _special_regions(search: Search, histograms: SearchHistograms) -> Iterator[SpecialRegion]:
    for process in classifier_classes(search.channel)[1:]:
        region = special_control_region(process)
        yield SpecialRegion(
            name=f"{search} {region}",
            process=process,
            data=histograms.contents(region, Process.DATA).total,
            expected={p: histograms.contents(region, p).total for p in _simulated(histograms)},
        )


def _simulated(histograms: SearchHistograms) -> list[Process]:
    return [process for process in BACKGROUNDS if process in histograms.control.axes["process"]]
