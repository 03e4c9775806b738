"""How every figure of the report looks: fonts, colours, names of processes and searches."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes

from models.search import Process, Search

# Colour-blind-safe sequence of M. Petroff, arXiv:2107.02270, one colour a component throughout the report.
PROCESS_COLOURS: Final[Mapping[str, str]] = {
    Process.TAUTAU: "#3f90da",
    Process.QQBAR: "#ffa90e",
    Process.BBBAR: "#94a4a2",
    Process.BHABHA: "#832db6",
    Process.DIMUON: "#a96b59",
    Process.TWOPHOTON: "#b9ac70",
    Process.TAUTAULL: "#92dadd",
    "uniform": "#dddddd",
    Process.SIGNAL: "#bd1f01",
}
PROCESS_LABELS: Final[Mapping[str, str]] = {
    Process.TAUTAU: r"$\tau^+\tau^-$",
    Process.QQBAR: r"$q\bar{q}$",
    Process.BBBAR: r"$B\bar{B}$",
    Process.BHABHA: r"$e^+e^-(\gamma)$",
    Process.DIMUON: r"$\mu^+\mu^-(\gamma)$",
    Process.TWOPHOTON: "two-photon",
    Process.TAUTAULL: r"$\tau^+\tau^-\ell^+\ell^-$",
    "uniform": "uniform",
    Process.SIGNAL: r"$\tau^+\tau^-\phi$",
}
SEARCH_LABELS: Final[Mapping[Search, str]] = {
    Search.EE_DISPLACED: r"$\phi\to e^+e^-$, displaced",
    Search.EE: r"$\phi\to e^+e^-$",
    Search.MUMU: r"$\phi\to\mu^+\mu^-$",
}
MASS_LABELS: Final[Mapping[Search, str]] = {
    Search.EE_DISPLACED: r"$m(e^+e^-)$ [GeV]",
    Search.EE: r"$m(e^+e^-)$ [GeV]",
    Search.MUMU: r"$m(\mu^+\mu^-)$ [GeV]",
}

ONE_SIGMA_COLOUR: Final = "#607641"
TWO_SIGMA_COLOUR: Final = "#f5bb54"
OBSERVED_COLOUR: Final = "#111111"
BAYESIAN_BAND_COLOUR: Final = "#b0006d"
PUBLISHED_COLOURS: Final = ("#7021dd", "#0173b2", "#8f4e00", "#00796b")
FAVOURED_COLOUR: Final = "#d94f70"


@contextmanager
def report_style() -> Iterator[None]:
    """Draw the figures made inside the block in the report's style, without a screen."""
    with (
        resources.as_file(resources.files("scheduler.report") / "leptophile.mplstyle") as style,
        mpl.rc_context(fname=style),
    ):
        mpl.use("agg")
        yield


def label_figure(axes: Axes, luminosity_fb: float, *, simulated_data: bool, note: str = "") -> None:
    """Write what the figure was made from above the axes."""
    kind = "simulated data" if simulated_data else "data"
    left = f"leptophile  {kind}" + (f"  {note}" if note else "")
    axes.set_title(left, loc="left", fontsize=10)
    axes.set_title(rf"$\sqrt{{s}}=10.58$ GeV, {luminosity_fb:g} fb$^{{-1}}$", loc="right", fontsize=10)
