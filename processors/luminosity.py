"""Normalisation of simulated samples to a luminosity."""

from models.errors import BadInputError
from models.search import Process
from processors.sample import SampleMetadata


def luminosity_weight(sample: SampleMetadata, luminosity_fb: float) -> float:
    """Return the factor σ·L/Σw that normalises a sample to the luminosity.

    Data keep weight one. Signal is normalised to σ(e⁺e⁻→τ⁺τ⁻φ)·B(φ→ℓℓ) = 1 fb, whatever it was generated with.

    Parameters
    ----------
    sample
        Cross-section and sum of weights of the whole sample.
    luminosity_fb
        In fb⁻¹.

    Raises
    ------
    BadInputError
        If a simulated sample has no generated events or no cross-section.

    Examples
    --------
    >>> luminosity_weight(SampleMetadata(name="tautau", process="tautau", is_data=False, cross_section_fb=919e3,
    ...     n_generated=100, sum_weights=100.0, sum_weights2=100.0, generator="x"), 2.0)
    18380.0
    """
    if sample.is_data:
        return 1.0
    if not sample.sum_weights > 0:
        raise BadInputError(f"sample '{sample.name}' has no generated events to normalise with")
    cross_section_fb = 1.0 if sample.process is Process.SIGNAL else sample.cross_section_fb
    if cross_section_fb is None:
        raise BadInputError(f"sample '{sample.name}' has no cross-section")
    return cross_section_fb * luminosity_fb / sample.sum_weights
