"""The HEPData submission: limits on cross-section and coupling, significances, one table each and channel."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import hepdata_lib
import numpy as np
from numpy.typing import NDArray

from models.search import Channel
from scheduler.limits_table import LimitRow, column

_REACTION = "E+ E- --> TAU+ TAU- PHI"
_FINAL_STATE = {Channel.EE: "PHI --> E+ E-", Channel.MUMU: "PHI --> MU+ MU-"}


class _Quantity(NamedTuple):
    """A table of the submission: which columns of the limits table it shows."""

    name: str
    description: str
    unit: str
    columns: Mapping[str, str]
    """Heading → column."""


_QUANTITIES = (
    _Quantity(
        "Cross-section limits",
        "90 % upper limits on the cross-section times branching fraction",
        "fb",
        {
            "Observed limit (Bayesian)": "xsec_ul_mh_fb",
            "Observed limit (CLs)": "xsec_ul_cls_fb",
            "Expected limit (CLs), -2 sigma": "xsec_exp_m2_fb",
            "Expected limit (CLs), -1 sigma": "xsec_exp_m1_fb",
            "Expected limit (CLs), median": "xsec_exp_0_fb",
            "Expected limit (CLs), +1 sigma": "xsec_exp_p1_fb",
            "Expected limit (CLs), +2 sigma": "xsec_exp_p2_fb",
            "Expected limit (Bayesian), -2 sigma": "xsec_bayes_exp_m2_fb",
            "Expected limit (Bayesian), -1 sigma": "xsec_bayes_exp_m1_fb",
            "Expected limit (Bayesian), median": "xsec_bayes_exp_0_fb",
            "Expected limit (Bayesian), +1 sigma": "xsec_bayes_exp_p1_fb",
            "Expected limit (Bayesian), +2 sigma": "xsec_bayes_exp_p2_fb",
        },
    ),
    _Quantity(
        "Coupling limits",
        "90 % upper limits on the leptophilic coupling xi",
        "",
        {
            "Observed limit": "xi_ul",
            "Expected limit, -2 sigma": "xi_exp_m2",
            "Expected limit, -1 sigma": "xi_exp_m1",
            "Expected limit, median": "xi_exp_0",
            "Expected limit, +1 sigma": "xi_exp_p1",
            "Expected limit, +2 sigma": "xi_exp_p2",
        },
    ),
    _Quantity(
        "Significances", "Local significance, negative for a deficit", "", {"Signed local significance": "significance"}
    ),
)


def write_submission(rows: Sequence[LimitRow], folder: Path) -> None:
    """Write the submission as YAML files.

    Columns without any number, those of a blinded run, are left out; so are tables left without columns.

    Parameters
    ----------
    rows
        The limits table.
    folder
        Existing folder to write to.
    """
    submission = hepdata_lib.Submission()
    submission.comment = (
        "Search for a dark leptophilic scalar produced with a tau pair in electron-positron collisions."
    )
    for channel in Channel:
        selected = [row for row in rows if row.channel == channel]
        for quantity in _QUANTITIES:
            columns = {
                heading: values
                for heading, name in quantity.columns.items()
                if np.any(np.isfinite(values := column(selected, name)))
            }
            if columns:
                submission.add_table(_table(quantity, channel, selected, columns))
    # the library puts its archive into the working directory, whatever folder it is given
    with chdir(folder), warnings.catch_warnings():
        # hepdata-validator leaves it to the garbage collector to close the tables that it reads
        warnings.simplefilter("ignore", ResourceWarning)
        submission.create_files(".", validate=True, remove_old=False)


def _table(
    quantity: _Quantity, channel: Channel, rows: Sequence[LimitRow], columns: Mapping[str, NDArray[np.float64]]
) -> hepdata_lib.Table:
    table = hepdata_lib.Table(f"{quantity.name} {channel}")
    table.description = f"{quantity.description}, {_FINAL_STATE[channel].replace('-->', 'to')}."
    table.location = "Figures of this analysis"
    table.keywords["reactions"] = [_REACTION, _FINAL_STATE[channel]]
    table.keywords["cmenergies"] = ["10.58"]
    mass = hepdata_lib.Variable("Mass of PHI", is_independent=True, is_binned=False, units="GeV")
    mass.values = [row.m_phi_gev for row in rows]
    table.add_variable(mass)
    for heading, values in columns.items():
        variable = hepdata_lib.Variable(heading, is_independent=False, is_binned=False, units=quantity.unit)
        # HEPData marks a value that does not exist by a dash
        variable.values = [float(value) if np.isfinite(value) else "-" for value in values]
        table.add_variable(variable)
    return table
