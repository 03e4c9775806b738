"""The base of every configuration section."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A configuration section: immutable, hashable where its fields are, and intolerant of unknown keys.

    Each package declares its own sections; `scheduler.configuration` composes them once and turns
    validation failures into a `ConfigurationError` that names the key path.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
