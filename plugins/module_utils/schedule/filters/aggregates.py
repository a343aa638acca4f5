# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filters of host aggregates: what their metadata asks of flavors, images and projects; and isolated hosts."""

from __future__ import annotations

from ..host_state import HostState
from ..model import Request
from .extra_specs import matches
from .image_properties import meaning
from .rule import rule

SCOPE = "aggregate_instance_extra_specs"


def _metadata(host: HostState, request: Request) -> str:
    return "has %s" % {key: sorted(values) for key, values in sorted(host.aggregate_metadata().items())}


def _unscoped(request: Request) -> list[tuple[str, str]]:
    """The extra specs without a scope, or with this filter's; both may be there under one key."""
    parts = [(*key.partition(":"), value) for key, value in request.extra_specs.items()]
    return [(rest or first, value) for first, colon, rest, value in parts if not colon or first == SCOPE]


@rule(applies=_unscoped, shows=_metadata)
def aggregate_instance_extra_specs(host: HostState, request: Request) -> str | None:
    """Every extra spec without a scope (or with aggregate_instance_extra_specs:) is met by the aggregates' metadata."""
    metadata = host.aggregate_metadata()
    for key, asked in _unscoped(request):
        if not any(matches(value, asked) for value in metadata.get(key, ())):
            return "are in no aggregate with %s %s" % (key, asked)
    return None


@rule(applies=lambda request: request.image_properties, shows=_metadata)
def aggregate_image_properties_isolation(host: HostState, request: Request) -> str | None:
    """An image property that the host's aggregates speak of has a value that they name; a flag that is off has none.

    Values are compared by their meaning. Unlike nova's, which sees only the properties that it knows, this filter
    sees those of one's own as well.
    """
    settings = request.settings
    namespace = settings.aggregate_image_properties_isolation_namespace
    prefix = namespace + settings.aggregate_image_properties_isolation_separator if namespace else ""
    for key, allowed in sorted(host.aggregate_metadata().items()):
        have = meaning(key, request.image_properties.get(key) or "")
        if key.startswith(prefix) and have and have not in {meaning(key, value) for value in allowed}:
            return "are for images with another %s than %s" % (key, request.image_properties[key])
    return None


@rule(shows=_metadata)
def aggregate_multi_tenancy_isolation(host: HostState, request: Request) -> str | None:
    """Aggregates whose metadata has filter_tenant_id (with any suffix) are for these projects only."""
    projects: set[str] = set()
    for key, values in host.aggregate_metadata().items():
        if key.startswith("filter_tenant_id"):
            projects |= values
    return None if not projects or request.instance.project_id in projects else "are kept for other projects"


@rule(shows=_metadata)
def aggregate_type_affinity(host: HostState, request: Request) -> str | None:
    """Aggregates whose metadata has instance_type are for these flavors only."""
    kept = host.aggregate_values("instance_type")
    names = {name.strip() for value in kept for name in value.split(",")}
    flavor = (request.instance.flavor or {}).get("name")
    return None if not kept or flavor in names else "are kept for other flavors than %s" % flavor


def isolated_hosts(host: HostState, request: Request) -> str | None:
    """Isolated images (by id or name) go to isolated hosts only; unless the restriction is off, nothing else does."""
    settings, image = request.settings, request.instance.image or {}
    isolated_host = host.host in settings.isolated_hosts
    isolated_image = any(image.get(key) in settings.isolated_images for key in ("id", "name") if image.get(key))
    if isolated_image and not isolated_host:
        return "are not among the isolated hosts, which image %s needs" % image.get("name")
    if isolated_host and not isolated_image and settings.restrict_isolated_hosts_to_isolated_images:
        return "are isolated, and image %s is not" % image.get("name")
    return None
