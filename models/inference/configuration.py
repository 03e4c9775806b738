"""Configuration of the statistical model and of the inference; defaults are the published choices unless said."""

from pydantic import Field

from models.settings import Settings


class SystematicsSettings(Settings):
    """Uncertainties that are not in the templates themselves, and guards on those that are."""

    luminosity_relative: float = Field(default=0.014, gt=0, lt=1)
    """Relative uncertainty of the integrated luminosity (arXiv:2207.07476)."""
    classifier_efficiency_relative: float = Field(default=0.05, ge=0, lt=1)
    """Relative uncertainty of the efficiency of the classifier selection for signal. An assumption: it stands
    for a data/MC comparison in a signal-like control sample, which the scan does not make."""
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


class MetropolisSettings(Settings):
    """Metropolis–Hastings sampling of the posterior."""

    n_chains: int = Field(default=64, ge=16)
    """Chains that advance together; one evaluation of the model serves all of them. Their spread gives the Monte
    Carlo error, hence not few."""
    burn_in_steps: int = Field(default=12, ge=1)
    """Steps thrown away. The chains start from the distribution that they propose from, so few are needed."""
    first_look_steps: int = Field(default=32, ge=8)
    """Steps before the first look at the convergence."""
    look_growth: float = Field(default=1.5, gt=1)
    """Ratio of the steps at one look to those at the look before."""
    maximum_steps: int = Field(default=1024, ge=8)
    """Steps after which the sampling gives up and says so."""
    tempering: float = Field(default=1.5, ge=1)
    """Proposals take the counts to know this factor less than they do: wider tails where they constrain."""
    step_sizes: tuple[float, ...] = (1.0, 0.5)
    """Sizes of the proposal, used in turn: 1 is a fresh draw, less is a step around the present point."""
    r_hat_below: float = Field(default=1.05, gt=1)
    """Largest split R̂ that counts as converged."""
    effective_size_above: float = Field(default=400.0, gt=0)
    """Smallest effective sample size that counts as converged."""
    relative_error_target: float = Field(default=0.01, gt=0)
    """Monte Carlo error of the limit, relative to it, at which sampling ends."""
    relative_error_accepted: float = Field(default=0.03, gt=0)
    """Largest such error with which a limit is still given when the steps run out."""


class PosteriorSettings(Settings):
    """Prior range and numerical integration in the cross-section."""

    n_nodes: int = Field(default=65, ge=17)
    """Nodes of Simpson's rule between zero and the end of the prior range; odd."""
    range_log_drop: float = Field(default=14.0, gt=5)
    """The prior range ends where the profile likelihood has fallen by this from its maximum in ln L."""
    tail_below: float = Field(default=1e-4, gt=0)
    """Largest posterior probability allowed in the last tenth of the prior range."""
    maximum_extensions: int = Field(default=4, ge=0)
    """Times the prior range may be doubled before the limit is given up."""


class PriorAveragingSettings(Settings):
    """Numerical integration over the nuisance priors (toy Monte Carlo)."""

    n_toys: int = Field(default=2048, ge=0)
    """Draws from the priors; 0 leaves the method out."""
    relative_error_accepted: float = Field(default=0.03, gt=0)
    """Largest Monte Carlo error, relative to the limit, with which the result is still given."""


class MinimiserSettings(Settings):
    """Likelihood fits."""

    edm_below: float = Field(default=1e-9, gt=0)
    """Estimated distance to the minimum of −ln L at which a fit has converged."""
    maximum_iterations: int = Field(default=2000, ge=1)
    """Iterations after which a fit has failed."""
    difference_step: float = Field(default=1e-4, gt=0)
    """Step of the central differences, in prior standard deviations of the parameter (1 without a prior)."""
    feasible_fraction: float = Field(default=0.02, gt=0, lt=1)
    """A step may reduce the rate of a bin at most to this fraction of its value."""
    barrier_fraction: float = Field(default=1e-3, gt=0, lt=0.1)
    """Fraction of its background that fits take an empty bin to have counted, so that its rate stays positive."""
    batch_size: int = Field(default=64, ge=1)
    """Parameter points per evaluation of the pyhf model; more does not fit a core's cache."""


class InferenceSettings(Settings):
    """Everything computed for one mass point."""

    confidence_level: float = Field(default=0.90, gt=0.5, lt=1)
    """Confidence and credibility level of all limits."""
    root_tolerance: float = Field(default=1e-4, gt=0)
    """Relative accuracy of the crossing of CLs."""
    maximum_root_iterations: int = Field(default=40, ge=1)
    """Evaluations after which no crossing has been found."""
    minimiser: MinimiserSettings = MinimiserSettings()
    """Likelihood fits."""
    posterior: PosteriorSettings = PosteriorSettings()
    """Bayesian integration in the cross-section."""
    metropolis: MetropolisSettings = MetropolisSettings()
    """Bayesian limit, published method."""
    prior_averaging: PriorAveragingSettings = PriorAveragingSettings()
    """Bayesian limit, cross-check."""
