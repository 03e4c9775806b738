"""Dask clusters: the one place that knows where workers come from."""

from scheduler.clusters.connection import check_site, connect, describe_site
from scheduler.clusters.settings import ClusterError, ClusterSettings

__all__ = ["ClusterError", "ClusterSettings", "check_site", "connect", "describe_site"]
