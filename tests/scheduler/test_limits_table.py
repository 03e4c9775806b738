"""The limits table on disk and the published limits it is compared with."""

from pathlib import Path

import numpy as np
import pytest

from models.errors import BadInputError
from models.published_limits import belle_2022, load_published_limits
from models.scan_grid import mass_points
from scheduler.limits_table import (
    COLUMNS,
    LimitedTemplate,
    LimitRow,
    column,
    read_limits,
    write_limited_templates,
    write_limits,
)


def row(m_phi_gev: float, **values: float | None) -> LimitRow:
    numbers = dict.fromkeys(COLUMNS) | {"channel": "ee", "m_phi_gev": m_phi_gev, "status": "ok"} | values
    return LimitRow.model_validate(numbers)


def test_round_trip_keeps_every_digit_and_every_gap(tmp_path: Path) -> None:
    rows = [row(0.2, xsec_ul_mh_fb=1 / 3, significance=-1.5e-17), row(0.1, xi_exp_0=np.pi)]
    write_limits(rows, tmp_path / "limits.csv", tmp_path / "limits.json")
    assert read_limits(tmp_path / "limits.csv") == rows[::-1]
    np.testing.assert_array_equal(column(rows, "xsec_ul_mh_fb"), [1 / 3, np.nan])


def test_a_table_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "limits.csv"
    path.write_text("channel,mass\nee,0.1\n")
    with pytest.raises(BadInputError, match=r"m_phi_gev.*mass"):
        read_limits(path)
    with pytest.raises(BadInputError, match="cannot be read"):
        read_limits(tmp_path / "none.csv")


def test_published_limits_cover_the_scan_exactly() -> None:
    published = belle_2022()
    scanned = [point.m_phi_gev for point in mass_points()]
    np.testing.assert_allclose(published.m_phi_gev, scanned, atol=1e-9)
    assert (published.at(0.04), published.at(6.5)) == (1.61, 185.935)
    assert published.at(3.1) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m_phi_gev,limit\n1,2\n", "lack the column 'xi_ul'"),
        ("m_phi_gev,xi_ul\n1,much\n", "not a number"),
        ("m_phi_gev,xi_ul\n1\n", "not a number"),
        ("m_phi_gev,xi_ul\n1,-2\n", "not positive"),
        ("m_phi_gev,xi_ul\n1,nan\n", "not positive"),
    ],
)
def test_unusable_published_limits_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "others.csv"
    path.write_text("# a comment\n" + text)
    with pytest.raises(BadInputError, match=rf"others\.csv.*{message}"):
        load_published_limits(path, label="others", source="somewhere")


def test_reduced_variations_are_listed_and_an_empty_list_has_its_header(tmp_path: Path) -> None:
    limited = LimitedTemplate(
        channel="ee",
        m_phi_gev=0.04,
        ctau_mm=10.0,
        sample="signal",
        source="momentum_scale",
        n_bins=2,
        yield_limited=False,
    )
    write_limited_templates([], tmp_path / "none.csv")
    write_limited_templates([limited], tmp_path / "one.csv")
    header = "channel,m_phi_gev,ctau_mm,sample,source,n_bins,yield_limited"
    assert (tmp_path / "none.csv").read_text().split() == [header]
    assert (tmp_path / "one.csv").read_text().split() == [header, "ee,0.04,10.0,signal,momentum_scale,2,False"]
