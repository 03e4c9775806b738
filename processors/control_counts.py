"""Control-region histograms as the inputs of the scale-factor fit."""

from collections.abc import Iterator, Mapping

import hist
import numpy as np

from models.normalisation import ControlRegion, SpecialRegion
from models.search import BACKGROUNDS, Process, Search, classifier_classes
from processors.histograms import SearchHistograms, component
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
    present = {search: histograms[search].control for search in NORMALISED_SEARCHES if search in histograms}
    general = [region for search, control in present.items() for region in _general_regions(search, control)]
    special = [region for search, control in present.items() for region in _special_regions(search, control)]
    return general, special


def _general_regions(search: Search, control: hist.Hist) -> Iterator[ControlRegion]:
    for leading in control.axes["leading"]:
        place = {"region": GENERAL_CONTROL_REGION, "leading": leading}
        yield ControlRegion(
            name=f"{search} {GENERAL_CONTROL_REGION}, mostly {leading}",
            data=component(control, Process.DATA, place=place).value,
            expected={p: component(control, p, place=place).value for p in _simulated(control)},
            variance={p: component(control, p, place=place).variance for p in _simulated(control)},
        )


def _special_regions(search: Search, control: hist.Hist) -> Iterator[SpecialRegion]:
    for process in classifier_classes(search.channel)[1:]:
        region = special_control_region(process)
        place = {"region": region, "leading": sum}
        yield SpecialRegion(
            name=f"{search} {region}",
            process=process,
            data=float(np.sum(component(control, Process.DATA, place=place).value)),
            expected={p: float(np.sum(component(control, p, place=place).value)) for p in _simulated(control)},
        )


def _simulated(control: hist.Hist) -> list[Process]:
    return [process for process in BACKGROUNDS if process in control.axes["process"]]
