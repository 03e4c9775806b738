"""The corrections that come with the software: all one, with uncertainties; `python -m processors.default_corrections`.

Corrections are 1 until control samples say otherwise. Uncertainties marked † are those of arXiv:2207.07476. Those of
identification have the size that Belle analyses quote from e⁺e⁻→e⁺e⁻ℓ⁺ℓ⁻ control samples (about 1–2 % per lepton) and
from K_S→π⁺π⁻ and D*-tagged samples for misidentification (10–20 %). Resolution, photon energy, K/π and trigger are
assumptions of a usual size. All are replaced by `scheduler.tag_and_probe` or any other measurement.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from correctionlib import schemav2

from processors.correction_sets import CorrectionName
from processors.correction_tables import Table, as_correction, write_correction_set

_MOMENTUM_EDGES_GEV: Final = (0.0, 1.0, 20.0)
_THETA_EDGES_DEG: Final = (0.0, 32.2, 128.7, 180.0)
"""The barrel between its endcaps."""
_SLOW_FACTOR: Final = 2.0
"""Uncertainties below 1 GeV over those above."""


def default_corrections() -> list[schemav2.Correction]:
    """Return the default set."""
    identification = "efficiency of identified {}s; uncertainty per track, common to all bins"
    misidentification = "rate at which anything else is taken for {}s; uncertainty per track, common to all bins"
    tables = {
        CorrectionName.IDENTIFICATION_ELECTRON: (_by_track(0.010, 0.020), identification.format("electron")),
        CorrectionName.IDENTIFICATION_MUON: (_by_track(0.012, 0.020), identification.format("muon")),
        CorrectionName.MISIDENTIFICATION_ELECTRON: (_by_track(0.10, 0.20), misidentification.format("electron")),
        CorrectionName.MISIDENTIFICATION_MUON: (_by_track(0.10, 0.20), misidentification.format("muon")),
        CorrectionName.KAON_PION: (
            Table.symmetric({"correctly_identified": (-0.5, 0.5, 1.5)}, [1.0, 1.0], [0.05, 0.01]),
            "K/π likelihood ratio on the wrong or the right side of one half (assumption)",
        ),
        CorrectionName.TRACKING: (Table.symmetric({}, 1.0, 0.0035), "† tracking efficiency, per track"),
        CorrectionName.TRIGGER: (Table.symmetric({}, 1.0, 0.005), "trigger efficiency (assumption)"),
        CorrectionName.LUMINOSITY: (Table.symmetric({}, 1.0, 0.014), "† integrated luminosity"),
        CorrectionName.MOMENTUM_SCALE: (Table.symmetric({}, 1.0, 0.001), "factor on track momenta"),
        CorrectionName.MOMENTUM_RESOLUTION: (
            Table.symmetric({}, 1.0, 0.05),
            "factor on measured minus true track momenta (assumption)",
        ),
        CorrectionName.PHOTON_ENERGY: (Table.symmetric({}, 1.0, 0.01), "factor on photon energies (assumption)"),
    }
    return [as_correction(name, table, description) for name, (table, description) in tables.items()]


def _by_track(barrel: float, elsewhere: float) -> Table:
    """Return 1 with uncertainties that grow below 1 GeV and outside the barrel."""
    fast = (elsewhere, barrel, elsewhere)
    errors = [[_SLOW_FACTOR * value for value in fast], fast]
    edges = {"p_gev": _MOMENTUM_EDGES_GEV, "theta_deg": _THETA_EDGES_DEG}
    return Table.symmetric(edges, [[1.0] * 3] * 2, errors)


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(prog="python -m processors.default_corrections", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"), help="file to write")
    write_correction_set(default_corrections(), "Corrections of one, with uncertainties", parser.parse_args().out)


if __name__ == "__main__":
    main()
