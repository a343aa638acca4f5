# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which rule each address of the API asks for, and what it is by default: nova's names and defaults; pure.

(nova/policies.) An address without a rule is refused. Rules that nova has none for begin with kvmstack.
"""

from __future__ import annotations

from typing import Any, Iterator, Mapping

NOVA = "os_compute_api:"
ADMIN = "rule:context_is_admin"
MANAGER = "rule:project_manager_or_admin"
MEMBER = "rule:project_member_or_admin"
READER = "rule:project_reader_or_admin"
OWNER = "(rule:context_is_admin) or user_id:%(user_id)s"
ANY = "@"

# Who needs no token: those who ask which versions there are, and whether anybody is there.
OPEN = ("/", "/v2.1", "/healthcheck")

# The personas (nova/policies/base.py).
PERSONAS = {
    "context_is_admin": "role:admin",
    "admin_or_owner": "is_admin:True or project_id:%(project_id)s",
    "admin_api": "is_admin:True",
    "project_manager_api": "role:manager and project_id:%(project_id)s",
    "project_member_api": "role:member and project_id:%(project_id)s",
    "project_reader_api": "role:reader and project_id:%(project_id)s",
    "project_manager_or_admin": "rule:project_manager_api or rule:context_is_admin",
    "project_member_or_admin": "rule:project_member_api or rule:context_is_admin",
    "project_reader_or_admin": "rule:project_reader_api or rule:context_is_admin",
}

# (method, address below /v2.1, rule, default)
ADDRESSES = (
    ("GET", "/servers", "servers:index", READER),
    ("GET", "/servers/detail", "servers:detail", READER),
    ("POST", "/servers", "servers:create", MEMBER),
    ("GET", "/servers/{server_id}", "servers:show", READER),
    ("PUT", "/servers/{server_id}", "servers:update", MEMBER),
    ("DELETE", "/servers/{server_id}", "servers:delete", MEMBER),
    ("POST", "/servers/{server_id}/remote-consoles", "os-remote-consoles", MEMBER),
    ("GET", "/servers/{server_id}/ips", "ips:index", READER),
    ("GET", "/servers/{server_id}/ips/{network}", "ips:show", READER),
    ("GET", "/servers/{server_id}/metadata", "server-metadata:index", READER),
    ("POST", "/servers/{server_id}/metadata", "server-metadata:create", MEMBER),
    ("PUT", "/servers/{server_id}/metadata", "server-metadata:update_all", MEMBER),
    ("GET", "/servers/{server_id}/metadata/{key}", "server-metadata:show", READER),
    ("PUT", "/servers/{server_id}/metadata/{key}", "server-metadata:update", MEMBER),
    ("DELETE", "/servers/{server_id}/metadata/{key}", "server-metadata:delete", MEMBER),
    ("GET", "/servers/{server_id}/tags", "os-server-tags:index", READER),
    ("PUT", "/servers/{server_id}/tags", "os-server-tags:update_all", MEMBER),
    ("DELETE", "/servers/{server_id}/tags", "os-server-tags:delete_all", MEMBER),
    ("GET", "/servers/{server_id}/tags/{tag}", "os-server-tags:show", READER),
    ("PUT", "/servers/{server_id}/tags/{tag}", "os-server-tags:update", MEMBER),
    ("DELETE", "/servers/{server_id}/tags/{tag}", "os-server-tags:delete", MEMBER),
    ("GET", "/servers/{server_id}/os-instance-actions", "os-instance-actions:list", READER),
    ("GET", "/servers/{server_id}/os-instance-actions/{request_id}", "os-instance-actions:show", READER),
    ("GET", "/servers/{server_id}/os-volume_attachments", "os-volumes-attachments:index", READER),
    ("POST", "/servers/{server_id}/os-volume_attachments", "os-volumes-attachments:create", MEMBER),
    ("GET", "/servers/{server_id}/os-volume_attachments/{volume_id}", "os-volumes-attachments:show", READER),
    ("PUT", "/servers/{server_id}/os-volume_attachments/{volume_id}", "os-volumes-attachments:update", MEMBER),
    ("DELETE", "/servers/{server_id}/os-volume_attachments/{volume_id}", "os-volumes-attachments:delete", MEMBER),
    ("GET", "/servers/{server_id}/os-interface", "os-attach-interfaces:list", READER),
    ("POST", "/servers/{server_id}/os-interface", "os-attach-interfaces:create", MEMBER),
    ("GET", "/servers/{server_id}/os-interface/{port_id}", "os-attach-interfaces:show", READER),
    ("DELETE", "/servers/{server_id}/os-interface/{port_id}", "os-attach-interfaces:delete", MEMBER),
    ("GET", "/servers/{server_id}/os-security-groups", "os-security-groups:list", READER),
    ("GET", "/flavors", "flavors", ANY),
    ("GET", "/flavors/detail", "flavors", ANY),
    ("GET", "/flavors/{flavor_id}", "flavors", ANY),
    ("POST", "/flavors", "os-flavor-manage:create", ADMIN),
    ("DELETE", "/flavors/{flavor_id}", "os-flavor-manage:delete", ADMIN),
    ("GET", "/flavors/{flavor_id}/os-extra_specs", "os-flavor-extra-specs:index", READER),
    ("GET", "/flavors/{flavor_id}/os-extra_specs/{key}", "os-flavor-extra-specs:show", READER),
    ("GET", "/images", "images", ANY),
    ("GET", "/images/detail", "images", ANY),
    ("GET", "/images/{image_id}", "images", ANY),
    ("GET", "/images/{image_id}/metadata", "images", ANY),
    ("GET", "/os-networks", "os-networks:list", READER),
    ("GET", "/os-networks/{network_id}", "os-networks:show", READER),
    ("GET", "/networks", "os-networks:list", READER),
    ("GET", "/networks/{network_id}", "os-networks:show", READER),
    ("GET", "/security-groups", "os-security-groups:get", READER),
    ("GET", "/security-groups/{group_id}", "os-security-groups:show", READER),
    ("GET", "/os-server-groups", "os-server-groups:index", READER),
    ("POST", "/os-server-groups", "os-server-groups:create", MEMBER),
    ("GET", "/os-server-groups/{group_id}", "os-server-groups:show", READER),
    ("DELETE", "/os-server-groups/{group_id}", "os-server-groups:delete", MEMBER),
    ("GET", "/os-keypairs", "os-keypairs:index", OWNER),
    ("POST", "/os-keypairs", "os-keypairs:create", OWNER),
    ("GET", "/os-keypairs/{name}", "os-keypairs:show", OWNER),
    ("DELETE", "/os-keypairs/{name}", "os-keypairs:delete", OWNER),
    ("GET", "/limits", "limits", ANY),
    ("GET", "/os-quota-sets/{project_id}", "os-quota-sets:show", READER),
    ("PUT", "/os-quota-sets/{project_id}", "os-quota-sets:update", ADMIN),
    ("GET", "/os-quota-sets/{project_id}/detail", "os-quota-sets:detail", READER),
    ("GET", "/os-quota-sets/{project_id}/defaults", "os-quota-sets:defaults", ANY),
    ("GET", "/os-simple-tenant-usage", "os-simple-tenant-usage:list", ADMIN),
    ("GET", "/os-simple-tenant-usage/{project_id}", "os-simple-tenant-usage:show", READER),
    ("GET", "/os-availability-zone", "os-availability-zone:list", ANY),
    ("GET", "/os-availability-zone/detail", "os-availability-zone:detail", ADMIN),
    ("GET", "/os-hypervisors", "os-hypervisors:list", ADMIN),
    ("GET", "/os-hypervisors/detail", "os-hypervisors:list-detail", ADMIN),
    ("GET", "/os-hypervisors/statistics", "os-hypervisors:statistics", ADMIN),
    ("GET", "/os-hypervisors/{hypervisor_id}", "os-hypervisors:show", ADMIN),
    ("GET", "/os-hypervisors/{hypervisor_id}/uptime", "os-hypervisors:uptime", ADMIN),
    ("GET", "/os-hypervisors/{hypervisor_id}/search", "os-hypervisors:search", ADMIN),
    ("GET", "/os-hypervisors/{hypervisor_id}/servers", "os-hypervisors:servers", ADMIN),
    ("GET", "/os-services", "os-services:list", ADMIN),
    ("PUT", "/os-services/{service_id}", "os-services:update", ADMIN),
    ("GET", "/os-aggregates", "os-aggregates:index", ADMIN),
)  # fmt: skip

# Beside /v2.1, by the beginning of the address: GET needs the rule of this name.
BESIDE = {"/metrics": ("kvmstack:metrics", ADMIN)}

# Where the action in the body says which rule it is.
ACTION = "/v2.1/servers/{server_id}/action"
ACTIONS = {
    "os-start": ("servers:start", MEMBER),
    "os-stop": ("servers:stop", MEMBER),
    "reboot": ("servers:reboot", MEMBER),
    "rebuild": ("servers:rebuild", MEMBER),
    "resize": ("servers:resize", MEMBER),
    "confirmResize": ("servers:confirm_resize", MEMBER),
    "revertResize": ("servers:revert_resize", MEMBER),
    "createImage": ("servers:create_image", MEMBER),
    "trigger_crash_dump": ("servers:trigger_crash_dump", MEMBER),
    "forceDelete": ("os-deferred-delete:force", MEMBER),
    "restore": ("os-deferred-delete:restore", MEMBER),
    "lock": ("os-lock-server:lock", MEMBER),
    "unlock": ("os-lock-server:unlock", MEMBER),
    "pause": ("os-pause-server:pause", MEMBER),
    "unpause": ("os-pause-server:unpause", MEMBER),
    "suspend": ("os-suspend-server:suspend", MEMBER),
    "resume": ("os-suspend-server:resume", MEMBER),
    "shelve": ("os-shelve:shelve", MEMBER),
    "unshelve": ("os-shelve:unshelve", MEMBER),
    "shelveOffload": ("os-shelve:shelve_offload", ADMIN),
    "rescue": ("os-rescue", MEMBER),
    "unrescue": ("os-unrescue", MEMBER),
    "changePassword": ("os-admin-password", MEMBER),
    "createBackup": ("os-create-backup", MEMBER),
    "evacuate": ("os-evacuate", ADMIN),
    "migrate": ("os-migrate-server:migrate", MANAGER),
    "os-migrateLive": ("os-migrate-server:migrate_live", MANAGER),
    "os-resetState": ("os-admin-actions:reset_state", ADMIN),
    "injectNetworkInfo": ("os-admin-actions:inject_network_info", ADMIN),
    "os-resetNetwork": ("os-admin-actions:reset_network", ADMIN),
    "addSecurityGroup": ("os-security-groups:add", MEMBER),
    "removeSecurityGroup": ("os-security-groups:remove", MEMBER),
    "addFloatingIp": ("os-floating-ips:add", MEMBER),
    "removeFloatingIp": ("os-floating-ips:remove", MEMBER),
    "addFixedIp": ("os-multinic:add", MEMBER),
    "removeFixedIp": ("os-multinic:remove", MEMBER),
    "os-getConsoleOutput": ("os-console-output", MEMBER),
    "os-getVNCConsole": ("os-remote-consoles", MEMBER),
    "os-getSPICEConsole": ("os-remote-consoles", MEMBER),
    "os-getRDPConsole": ("os-remote-consoles", MEMBER),
    "os-getSerialConsole": ("os-remote-consoles", MEMBER),
}

# What is asked for within an address.
INDEX, DETAIL = NOVA + "servers:index", NOVA + "servers:detail"
ALL_TENANTS = ":get_all_tenants"
ALL_FILTERS = NOVA + "servers:allow_all_filters"
HOST_ATTRIBUTES = NOVA + "os-extended-server-attributes"
HOST_STATUS = NOVA + "servers:show:host_status"
EVENTS = NOVA + "os-instance-actions:events"
EVENT_DETAILS = EVENTS + ":details"
OTHER_LIMITS = NOVA + "limits:other_project"
UNLOCK_OVERRIDE = NOVA + "os-lock-server:unlock:unlock_override"
WITHIN = dict.fromkeys(
    (
        INDEX + ALL_TENANTS,
        DETAIL + ALL_TENANTS,
        ALL_FILTERS,
        HOST_ATTRIBUTES,
        HOST_STATUS,
        EVENTS,
        EVENT_DETAILS,
        OTHER_LIMITS,
        UNLOCK_OVERRIDE,
    ),
    ADMIN,
)


def _rules() -> Iterator[tuple[str, str]]:
    for _method, _address, rule, default in ADDRESSES:
        yield NOVA + rule, default
    for rule, default in ACTIONS.values():
        yield NOVA + rule, default
    yield from BESIDE.values()


# Every rule with its default, in the language of oslo.policy.
RULES = {**PERSONAS, **WITHIN, **dict(_rules())}
_OF_ADDRESS = {(method, "/v2.1" + address): NOVA + rule for method, address, rule, _default in ADDRESSES}


def rule_of(method: str, template: str) -> str | None:
    """The rule of an address, given as its template; None where there is none."""
    for beginning, (rule, _default) in BESIDE.items():
        if method == "GET" and (template == beginning or template.startswith(beginning + "/")):
            return rule
    return _OF_ADDRESS.get((method, template))


def rule_of_action(action: str) -> str | None:
    """The rule of an action of a server; None for what is no action."""
    return NOVA + ACTIONS[action][0] if action in ACTIONS else None


def target_of(params: Mapping[str, Any]) -> dict[str, str]:
    """What of an address's parameters says whose the thing is: the project that it names."""
    return {name: params[name] for name in ("project_id",) if name in params}
