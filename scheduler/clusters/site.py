"""Which site `--site` means: the name of a kind, a site file, or the address of a running scheduler."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter

from models.errors import ConfigurationError, UsageError
from scheduler.clusters.existing import ExistingSite
from scheduler.clusters.gateway import GatewaySite
from scheduler.clusters.htcondor import HTCondorSite
from scheduler.clusters.local import LocalSite
from scheduler.clusters.settings import ClusterSettings
from scheduler.clusters.slurm import SlurmSite
from scheduler.settings_file import parse_mapping, read_text, validate

Site: TypeAlias = Annotated[
    LocalSite | HTCondorSite | SlurmSite | GatewaySite | ExistingSite, Field(discriminator="kind")
]
"""One of the kinds of sites."""

KINDS: Final[Mapping[str, type[LocalSite | HTCondorSite | SlurmSite | GatewaySite | ExistingSite]]] = (
    types.MappingProxyType(
        {
            "local": LocalSite,
            "htcondor": HTCondorSite,
            "slurm": SlurmSite,
            "gateway": GatewaySite,
            "existing": ExistingSite,
        }
    )
)
"""Kinds of sites by name."""
_ADAPTER: Final[TypeAdapter[Site]] = TypeAdapter(Site)
_ADDRESSES: Final = ("tcp://", "tls://")
_FILE_ENDINGS: Final = (".yml", ".yaml")


def resolve_site(site: str, settings: ClusterSettings) -> Site:
    """Return the site that is meant.

    Parameters
    ----------
    site
        ``local``, ``htcondor``, ``slurm`` or ``gateway`` with their defaults, the path of a site file, or the address
        of a running Dask scheduler.
    settings
        The configuration's section `cluster`: size of the local site, patience with a given address.

    Raises
    ------
    UsageError
        If it is none of these.
    ConfigurationError
        If the site file is not valid; names file and key.

    Examples
    --------
    >>> resolve_site("tcp://127.0.0.1:8786", ClusterSettings()).kind
    'existing'
    """
    if site == "local":
        return LocalSite.of(settings)
    if site.startswith(_ADDRESSES):
        return parse_site(
            {"kind": "existing", "address": site, "start_timeout_s": settings.connect_timeout_s}, f"--site {site}"
        )
    if site.endswith(_FILE_ENDINGS):
        return read_site(Path(site))
    if site in KINDS and site != "existing":
        return KINDS[site]()  # type: ignore[call-arg]  # all but an existing scheduler have only defaults
    raise UsageError(
        f"Unknown site '{site}': use 'local', or 'htcondor', 'slurm' or 'gateway' with their defaults, a site file "
        f"NAME.yml (an example: `leptophile config site slurm`), or 'tcp://HOST:PORT' of a running Dask scheduler."
    )


def read_site(path: Path) -> Site:
    """Read a site file.

    Raises
    ------
    ConfigurationError
        If it cannot be read or is not valid; names file and key.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise ConfigurationError(f"Site file '{path}' cannot be read ({error.strerror}).") from error
    return parse_site(parse_mapping(text, str(path)), str(path))


def parse_site(content: Mapping[str, object], source: str) -> Site:
    """Return the site that keys and values describe.

    Raises
    ------
    ConfigurationError
        Naming the key.

    Examples
    --------
    >>> parse_site({"kind": "slurm", "partition": "short"}, "my.yml")
    Traceback (most recent call last):
    models.errors.ConfigurationError: my.yml: unknown key 'partition'.
    """
    kind = content.get("kind")
    if kind not in KINDS:
        given = f", not '{kind}'" if kind is not None else ""
        raise ConfigurationError(f"{source}: 'kind' has to be one of {', '.join(KINDS)}{given}.")
    return validate(content, source, _ADAPTER, known=lambda: model_keys(KINDS[str(kind)]), tags=KINDS)


def model_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the path of every key of a model and the models in it."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for part in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from model_keys(part, f"{prefix}{name}.")
