"""Configuration of the statistical model and of the inference; defaults are the published choices unless said."""

from enum import StrEnum

from pydantic import Field

from models.inference.bayesian.settings import BayesianSettings
from models.settings import Settings


class SystematicsSettings(Settings):
    """Uncertainties that are not in the templates themselves, and guards on those that are."""

    luminosity_relative: float = Field(default=0.014, gt=0, lt=1)
    """Relative uncertainty of the integrated luminosity (arXiv:2207.07476)."""
    classifier_efficiency_relative: float = Field(default=0.05, ge=0, lt=1)
    """Relative uncertainty of the efficiency of the classifier selection for signal. An assumption: it stands
    for a data/MC comparison in a signal-like control sample, which the scan does not make."""
    correlated_scale_factors: bool = False
    """Whether scale factors share nuisance parameters, one a principal axis of their fit's covariance, so that a mass
    point sees their correlations; by default each has one of its own, as published."""
    guard_sigma: float = Field(default=5.0, gt=0)
    """Templates stay positive when any one shape variation is moved by this many standard deviations; it is
    also the range that pyhf gives such parameters."""
    guard_margin: float = Field(default=0.05, gt=0, lt=1)
    """Fraction of the nominal yield that is left at the end of that range, and of the background in the bin that
    empties first at the lowest cross-section that the workspace allows."""
    minimum_background: float = Field(default=1e-3, gt=0)
    """Least expected background events in a bin, given to the uniform component: with none at all, one observed
    event would be called impossible without signal, which the simulation's finite size cannot support."""
    largest_yield_change: float = Field(default=4.0, gt=1)
    """Largest factor, and smallest as its inverse, by which a template variation may change a sample's yield; a
    larger change is a fluctuation of a sparse simulation and is limited to this."""
    largest_symmetric_relative: float = Field(default=0.5, gt=0, lt=1)
    """Relative uncertainties up to this one are symmetric factors 1 ± r, larger ones are log-normal, (1 + r)^±1,
    because 1 − r would leave no room above zero."""
    poi_upper_factor: float = Field(default=100.0, gt=1)
    """Upper bound of the cross-section in the workspace, in units of the cross-section whose signal would
    equal all background and data events together (at least one event)."""


class QuasiMonteCarloSettings(Settings):
    """Precise integration over the nuisance parameters."""

    log2_pilot_draws: int = Field(default=8, ge=4)
    """log₂ of the draws that adapt the proposal."""
    n_shifts: int = Field(default=16, ge=8)
    """Independent shifts of the sequence; their spread is the error."""
    log2_first_draws: int = Field(default=5, ge=3)
    """log₂ of the draws of each shift at first."""
    log2_maximum_draws: int = Field(default=8, ge=3)
    """log₂ of the draws of each shift, doubled until the error is small enough, at which the integration ends."""
    relative_error_target: float = Field(default=0.0015, gt=0)
    """Error, relative to the limit, at which the integration ends."""
    tempering: float = Field(default=1.2, ge=1)
    """The proposal takes the counts to know this factor less than they do: wider tails where they constrain."""
    covariance_weight: float = Field(default=8.0, gt=0)
    """Draws, for each parameter, that the first covariance counts as when it is adapted."""
    smallest_variance: float = Field(default=1.05, gt=0)
    """Smallest variance that it is adapted to in any direction, in units of the first one: what decides the limit and
    its error in few draws are the posterior's tails, which the bulk of the draws say little of."""
    n_evaluations: int = Field(default=8, ge=4)
    """Cross-sections at which the likelihood of a draw is evaluated; its logarithm is a smooth function in between."""
    interpolation_error: float = Field(default=1e-4, gt=0)
    """Largest error of the posterior that this may make, relative to its integral; until it is met the number is
    doubled, up to every node."""
    relative_error_accepted: float = Field(default=0.02, gt=0)
    """Largest error, relative to the limit, with which the limit is still given."""


class MinimiserSettings(Settings):
    """Likelihood fits."""

    edm_below: float = Field(default=1e-9, gt=0)
    """Estimated distance to the minimum of −ln L at which a fit has converged."""
    maximum_iterations: int = Field(default=2000, ge=1)
    """Iterations after which a fit has failed."""
    feasible_fraction: float = Field(default=0.02, gt=0, lt=1)
    """A step may reduce the rate of a bin at most to this fraction of its value."""
    barrier_fraction: float = Field(default=1e-3, gt=0, lt=0.1)
    """Fraction of its background that fits take an empty bin to have counted, so that its rate stays positive."""


class ToyClsSettings(Settings):
    """CLs limits with distributions from toys."""

    first_toys: int = Field(default=4000, ge=200)
    """Toys at first, half of them without signal."""
    maximum_toys: int = Field(default=32000, ge=200)
    """Toys, doubled until the errors are small enough, at which they end."""
    relative_error_target: float = Field(default=0.01, gt=0)
    """Monte Carlo error of every limit, relative to it, at which no more toys are thrown."""
    relative_error_accepted: float = Field(default=0.1, gt=0)
    """Largest such error with which a limit is still given when the toys run out."""
    effective_toys_above: float = Field(default=20.0, ge=2)
    """Effective number of toys at least as extreme as the data, with and without signal, below which the error itself
    is not to be believed and no limit is given."""
    node_ratio: float = Field(default=1.25, gt=1, le=2)
    """Largest ratio of neighbouring tested cross-sections between which a limit is interpolated."""
    maximum_searches: int = Field(default=6, ge=1)
    """Times that tested cross-sections are added until they enclose every limit."""
    n_resamplings: int = Field(default=60, ge=20)
    """Resamplings of the toys that give the errors."""
    largest_failed_fraction: float = Field(default=0.02, ge=0, lt=1)
    """Fraction of toys whose fits may fail before no limit is given."""


class LimitMethod(StrEnum):
    """Limits that can be computed."""

    CLS = "cls"
    """CLs with asymptotic distributions, observed and expected."""
    CLS_TOYS = "cls_toys"
    """CLs with distributions from toys, observed and expected; takes longer than everything else together."""
    QMC = "qmc"
    """Bayesian by quasi-Monte Carlo integration: the precise one."""
    MH = "mh"
    """Bayesian by Metropolis–Hastings: the published method."""
    TOYMC = "toymc"
    """Bayesian by averaging over draws from the priors: the cross-check."""
    EXPECTED_BAYESIAN = "expected_bayesian"
    """Expected Bayesian limits from toys; takes longer than everything else together."""


class InferenceSettings(Settings):
    """Everything computed for one mass point."""

    methods: tuple[LimitMethod, ...] = (LimitMethod.CLS, LimitMethod.QMC, LimitMethod.MH, LimitMethod.TOYMC)
    """Limits that are computed; the fit always is."""

    confidence_level: float = Field(default=0.90, gt=0.5, lt=1)
    """Confidence and credibility level of all limits."""
    impacts: bool = True
    """Whether every nuisance parameter's impact on the best-fit cross-section is found, by two fits each."""
    root_tolerance: float = Field(default=1e-4, gt=0)
    """Relative accuracy of the crossing of CLs."""
    maximum_root_iterations: int = Field(default=40, ge=1)
    """Evaluations after which no crossing has been found."""
    minimiser: MinimiserSettings = MinimiserSettings()
    """Likelihood fits."""
    goodness_toys: int = Field(default=0, ge=0)
    """Toys that calibrate the goodness of fit, beside its asymptotic p-value; 0 leaves them out."""
    toy_cls: ToyClsSettings = ToyClsSettings()
    """CLs limits from toys."""
    quasi_monte_carlo: QuasiMonteCarloSettings = QuasiMonteCarloSettings()
    """Bayesian limit, precise method."""
    bayesian: BayesianSettings = BayesianSettings()
    """Prior of the cross-section; Bayesian limits by other methods, and expected ones."""


class LookElsewhereSettings(Settings):
    """The scan's global p-value."""

    n_toys: int = Field(default=500, ge=0)
    """Background-only toys of the whole mass spectrum, which all mass points share; 0 leaves them out."""
