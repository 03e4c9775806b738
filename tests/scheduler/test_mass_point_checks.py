"""Verdicts on what was found at all mass points: what deviates is named, what could not be made is not lost."""

import pytest

from models.alternative_fit import AlternativeFit, AlternativeFitError, PeakShape
from models.inference.results import BestFit, GoodnessOfFit, InferenceError, NuisanceFit, Status
from models.inference.toy_data import InjectedSignal, InjectionStudy
from models.scan_grid import MassPoint, mass_points
from scheduler.failures import TaskFailure
from scheduler.validation.fit_checks import alternative_fit_check, examined_check, goodness_check, injection_check
from scheduler.validation.mass_points import Examination
from scheduler.validation.nuisance_checks import nuisance_checks
from scheduler.validation.page import Verdict

POINTS = mass_points()[:12]


def examination(point: MassPoint, **changes: object) -> Examination:
    nuisances = {
        "lumi": NuisanceFit(1.0, 0.014, 0.1, 0.99, -0.1, 0.1),
        "scale_factor_tautau": NuisanceFit(0.5, 0.8, 0.5, 0.8, -1.2, 1.0),
        "mc_statistics[0]": NuisanceFit(1.0, 0.1, -0.2, 1.0, 0.3, -0.3),
        "mc_statistics[1]": NuisanceFit(1.0, 0.1, 0.3, 1.0, 0.4, -0.4),
    }
    fit = BestFit(Status.OK, 1.0, 2.0, significance=0.5, goodness=GoodnessOfFit(5.0, 6, 0.5), nuisances=nuisances)
    alternative = AlternativeFit(order=1, n_signal=3.0, significance=0.7, converged=True)
    fields = {
        "point": point,
        "fit": fit,
        "goodness_p_value": 0.4,
        "alternative": dict.fromkeys(PeakShape, alternative),
        "injection": None,
    }
    return Examination(**{**fields, **changes})


def study(slope: float = 1.0, pull_width: float = 1.0, n_expected: float = 30.0) -> InjectionStudy:
    signals = tuple(InjectedSignal(s, n_expected, 500, 0, slope * s, 0.04, 0.0, pull_width) for s in (0.0, 1.0, 4.0))
    return InjectionStudy(2.0, signals, slope, 0.01, 0.0, 0.03)


def test_a_run_without_remarks_passes() -> None:
    examined = [examination(point, injection=study()) for point in POINTS]
    checks = [alternative_fit_check(examined, PeakShape.GAUSSIAN, "data"), goodness_check(examined, "data"),
              injection_check(examined), examined_check(POINTS, []), *nuisance_checks(examined, "data")]  # fmt: skip
    for check in checks:
        assert check.verdict is Verdict.PASSED, check
    comparison = checks[0]
    assert comparison.numbers["mean_abs_dz"] == pytest.approx(0.2)
    assert comparison.numbers["n_points"] == len(POINTS)


def test_points_that_cannot_be_compared_are_named() -> None:
    no_bins = AlternativeFitError("4 bins")
    examined = [examination(point) for point in POINTS[:-1]]
    examined.append(examination(POINTS[-1], alternative=dict.fromkeys(PeakShape, no_bins)))
    check = alternative_fit_check(examined, PeakShape.CRYSTAL_BALL, "data")
    assert check.verdict is Verdict.ATTENTION
    assert f"Not comparable, for lack of bins or because a fit failed: {POINTS[-1].label}" in check.sentence
    lost = examined_check(POINTS, [TaskFailure(task=POINTS[3].label, reason="LinAlgError: singular")])
    assert lost.verdict is Verdict.FAILED
    assert f"{POINTS[3].label} (LinAlgError: singular)" in lost.sentence


def test_one_bad_fit_among_many_is_seen_and_a_failed_one_is_a_failure() -> None:
    examined = [examination(point) for point in POINTS]
    examined[4] = examination(POINTS[4], goodness_p_value=1e-5)
    check = goodness_check(examined, "data")
    assert check.verdict is Verdict.FAILED
    assert f"{POINTS[4].label} 1e-05" in check.sentence
    # 0.01 is nothing among twelve
    examined[4] = examination(POINTS[4], goodness_p_value=0.01)
    assert goodness_check(examined, "data").verdict is Verdict.PASSED
    examined[4] = examination(POINTS[4], goodness_p_value=None)
    assert goodness_check(examined, "data").verdict is Verdict.FAILED


def test_pulls_and_impacts_are_ranked_and_the_improbable_is_named() -> None:
    examined = [examination(point) for point in POINTS]
    strange = {**examined[2].fit.nuisances, "tracking": NuisanceFit(6.0, 0.9, 6.0, 0.9, -2.5, 2.5)}
    examined[2] = examination(POINTS[2], fit=BestFit(Status.OK, 1.0, 2.0, significance=0.5, nuisances=strange))
    pulls, impacts = nuisance_checks(examined, "data")
    assert pulls.verdict is Verdict.FAILED
    assert f"+6.00 (tracking, {POINTS[2].label})" in pulls.sentence
    # the statistics of a bin are not a systematic that data should not know better
    assert pulls.numbers["smallest_constraint"] == 0.8
    # one parameter cannot account for more than the whole uncertainty
    assert impacts.verdict is Verdict.ATTENTION
    assert impacts.numbers["largest_impact"] == pytest.approx(1.25)
    assert impacts.numbers["mean_impact_mc_statistics"] == pytest.approx(0.25)
    assert pulls.table is not None
    first = [row for row in pulls.table.rows if row[1] == POINTS[0].m_phi_gev]
    assert [row[3] for row in first] == ["scale_factor_tautau", "mc_statistics[1]", "mc_statistics[0]", "lumi"]
    assert [row[2] for row in first] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("injection", "passes"),
    [
        (study(slope=0.8), False),
        (study(pull_width=1.4), False),
        # pulls of a few events have no normal distribution
        (study(pull_width=1.4, n_expected=2.0), True),
        (InferenceError("no uncertainty"), False),
    ],
)
def test_biased_fits_and_wrong_uncertainties_are_seen(injection: InjectionStudy | InferenceError, passes: bool) -> None:
    examined = [examination(point, injection=study()) for point in POINTS[:4]]
    examined.append(examination(POINTS[4], injection=injection))
    assert (injection_check(examined).verdict is Verdict.PASSED) is passes
