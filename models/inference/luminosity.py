"""Templates at another integrated luminosity, for projections of the expected limit."""

from dataclasses import replace

from models.inference.results import InferenceError
from models.templates import MassPointTemplates, Template


def scale_luminosity(templates: MassPointTemplates, factor: float) -> MassPointTemplates:
    """Return the templates of a mass point at `factor` times the luminosity, without data.

    All yields scale; every relative uncertainty stays: the simulation is taken to grow with the data, so that its
    statistical uncertainty relative to the yield is that of the sample at hand (pessimistic, if the same sample
    were normalised to more data it would be just this, and a larger simulation would do better), and scale factors
    and systematic variations are known as well as at the original luminosity.

    Parameters
    ----------
    templates
        Templates at the original luminosity.
    factor
        Ratio of the luminosities, positive.

    Raises
    ------
    InferenceError
        If the factor is not positive.
    """
    if not factor > 0:
        raise InferenceError(f"A luminosity cannot be scaled by {factor}.")
    return replace(
        templates,
        signal=_scale(templates.signal, factor),
        backgrounds={process: _scale(template, factor) for process, template in templates.backgrounds.items()},
        uniform=factor * templates.uniform,
        data=None,
    )


def _scale(template: Template, factor: float) -> Template:
    return Template(
        factor * template.nominal,
        factor * template.stat_error,
        {source: (factor * down, factor * up) for source, (down, up) in template.variations.items()},
    )
