# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The addresses of the API, each with the resource that answers there."""

from __future__ import annotations

from typing import Any

from .resources import (
    definitions,
    hosts,
    keypairs,
    networks,
    operations,
    quotas,
    server_groups,
    server_parts,
    servers,
    usage,
    versions,
)
from .site import Site

# Below /v2.1. A suffix names one of a resource's responders: on_get_detail.
ROUTES = (
    ("/servers", servers.Servers, None),
    ("/servers/detail", servers.Servers, "detail"),
    ("/servers/{server_id}", servers.Server, None),
    ("/servers/{server_id}/action", servers.Action, None),
    ("/servers/{server_id}/ips", server_parts.Addresses, None),
    ("/servers/{server_id}/ips/{network}", server_parts.Addresses, "one"),
    ("/servers/{server_id}/metadata", server_parts.Metadata, None),
    ("/servers/{server_id}/metadata/{key}", server_parts.Metadata, "one"),
    ("/servers/{server_id}/tags", server_parts.Tags, None),
    ("/servers/{server_id}/tags/{tag}", server_parts.Tags, "one"),
    ("/servers/{server_id}/remote-consoles", server_parts.RemoteConsoles, None),
    ("/servers/{server_id}/os-instance-actions", server_parts.Actions, None),
    ("/servers/{server_id}/os-instance-actions/{request_id}", server_parts.Actions, "one"),
    ("/servers/{server_id}/os-volume_attachments", server_parts.Volumes, None),
    ("/servers/{server_id}/os-volume_attachments/{volume_id}", server_parts.Volumes, "one"),
    ("/servers/{server_id}/os-interface", server_parts.Interfaces, None),
    ("/servers/{server_id}/os-interface/{port_id}", server_parts.Interfaces, "one"),
    ("/servers/{server_id}/os-security-groups", server_parts.SecurityGroups, None),
    ("/flavors", definitions.Flavors, None),
    ("/flavors/detail", definitions.Flavors, "detail"),
    ("/flavors/{flavor_id}", definitions.Flavors, "one"),
    ("/flavors/{flavor_id}/os-extra_specs", definitions.Flavors, "extra_specs"),
    ("/flavors/{flavor_id}/os-extra_specs/{key}", definitions.Flavors, "extra_spec"),
    ("/images", definitions.Images, None),
    ("/images/detail", definitions.Images, "detail"),
    ("/images/{image_id}", definitions.Images, "one"),
    ("/images/{image_id}/metadata", definitions.Images, "metadata"),
    ("/os-networks", networks.Proxy, None),
    ("/os-networks/{network_id}", networks.Proxy, "one"),
    ("/networks", networks.Networks, None),
    ("/networks/{network_id}", networks.Networks, "one"),
    ("/security-groups", networks.SecurityGroups, None),
    ("/security-groups/{group_id}", networks.SecurityGroups, "one"),
    ("/os-server-groups", server_groups.ServerGroups, None),
    ("/os-server-groups/{group_id}", server_groups.ServerGroups, "one"),
    ("/os-keypairs", keypairs.Keypairs, None),
    ("/os-keypairs/{name}", keypairs.Keypairs, "one"),
    ("/os-simple-tenant-usage", usage.Usage, None),
    ("/os-simple-tenant-usage/{project_id}", usage.Usage, "one"),
    ("/limits", quotas.Limits, None),
    ("/os-quota-sets/{project_id}", quotas.QuotaSets, None),
    ("/os-quota-sets/{project_id}/defaults", quotas.QuotaSets, "defaults"),
    ("/os-quota-sets/{project_id}/detail", quotas.QuotaSets, "detail"),
    ("/os-availability-zone", hosts.Zones, None),
    ("/os-availability-zone/detail", hosts.Zones, "detail"),
    ("/os-hypervisors", hosts.Hypervisors, None),
    ("/os-hypervisors/detail", hosts.Hypervisors, "detail"),
    ("/os-hypervisors/statistics", hosts.Hypervisors, "statistics"),
    ("/os-hypervisors/{hypervisor_id}", hosts.Hypervisors, "one"),
    ("/os-hypervisors/{hypervisor_id}/uptime", hosts.Hypervisors, "uptime"),
    ("/os-hypervisors/{hypervisor_id}/search", hosts.Hypervisors, "search"),
    ("/os-hypervisors/{hypervisor_id}/servers", hosts.Hypervisors, "servers"),
    ("/os-services", hosts.Services, None),
    ("/os-services/{service_id}", hosts.Services, "one"),
    ("/os-aggregates", hosts.Aggregates, None),
)


def add_to(app: Any, site: Site) -> None:
    """Give an app all of them."""
    known = versions.Versions(site)
    app.add_route("/", known)
    app.add_route("/v2.1", known, suffix="one")
    app.add_route("/healthcheck", operations.Health(site))
    app.add_route("/metrics", operations.Metrics(site))
    made: dict[type, Any] = {}
    for path, kind, suffix in ROUTES:
        resource = made.setdefault(kind, kind(site))
        app.add_route("/v2.1" + path, resource, **({"suffix": suffix} if suffix else {}))
