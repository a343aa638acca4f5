# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The instances of the record as hosts of Ansible's inventory; instance/inventory.py has the rules."""

from __future__ import annotations

DOCUMENTATION = r"""
name: instances
author:
  - kvmstack contributors (@kvmstack)
short_description: The instances of the record as an inventory
version_added: 1.0.0
description:
  - Every living instance of the record is a host, named as the instance is.
  - The configuration is a file whose name ends in C(.kvmstack.yml) or C(.kvmstack.yaml), or C(kvmstack_instances.yml).
  - A name that several projects' instances have, or that is a compute host's, another host's or a group's of Ansible,
    is C(NAME.PROJECT_ID) instead; where that is another's too, C(NAME.UUID). What is no letter, digit, C(.), C(_) or
    C(-) in a project's id becomes C(_) there.
  - The record is only read. One of an older release is seen as its upgrade would make it, and is not upgraded.
  - C(ansible_host) is the instance's floating address; else one that is reached straight, of a physical network or one
    of O(direct_networks); else the first on a network with C(router=host), or whose router is not known. An instance
    without such an address has none, and where it has others a warning says so, as the compute host is not on them.
  - C(ansible_user) is what the image's property C(os_admin_user) says, else the option of that name.
  - C(ansible_ssh_common_args) has C(HostKeyAlias) with the instance's UUID, so that an address that an earlier instance
    had is no alarm. Where the address is not reached straight, ssh jumps over the instance's own compute host, unless
    that one's C(ansible_connection) is V(local).
  - C(ansible_control_path) is each instance's own, as two projects' instances may have the same address.
  - The compute host is reached as its variables in the same inventory say (C(ansible_host), C(ansible_user),
    C(ansible_port), C(ansible_ssh_private_key_file), C(ansible_ssh_common_args), C(ansible_ssh_extra_args)), also those
    of C(group_vars). Its file has to be read before this one, by the order of C(-i), or of the names in a folder. A
    compute host that is not there is reached by its name.
  - The groups are C(instances), C(project_ID), C(host_NAME), C(flavor_NAME), C(image_NAME), C(status_active) and so on,
    C(zone_NAME), C(server_group_NAME) and, for values of up to 63 characters, C(metadata_KEY_VALUE). What is no letter,
    digit or C(_) becomes C(_).
  - C(kvmstack) is a variable with C(uuid), C(name), C(project_id), C(project_name), C(user_name), C(status),
    C(target_state), C(power_state), C(host), C(availability_zone), C(flavor), C(vcpus), C(ram), C(image), C(group),
    C(admin_user), C(metadata), C(addresses) (of each port C(network), C(address), C(ipv6_address), C(floating),
    C(physical) and C(router)), C(volumes) and C(fault). Nothing of it is secret; O(compose), O(groups) and
    O(keyed_groups) may use it.
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [kvmstack.launch.instances]
  database:
    description:
      - SQLAlchemy URL of the record, the same as C(launch_database) of the playbooks. It may be a template or vaulted.
      - C(sqlite:///~/) is in the home folder. What is there is never written.
    type: str
    default: sqlite:///~/.kvmstack/launch.db
    env:
      - name: KVMSTACK_DATABASE
    vars:
      - name: launch_database
  project_id:
    description: The project whose instances are shown.
    type: str
    default: default
    env:
      - name: KVMSTACK_PROJECT_ID
    vars:
      - name: launch_project_id
  all_projects:
    description: Whether the instances of all projects are shown.
    type: bool
    default: false
  compute_hosts:
    description: Only instances on these compute hosts. Left out, on all and on none.
    type: list
    elements: str
  statuses:
    description: Only instances with one of these, such as V(ACTIVE). Left out, all that there are.
    type: list
    elements: str
  ansible_user:
    description: The user of guests whose image has no property C(os_admin_user).
    type: str
    vars:
      - name: launch_guest_user
  jump:
    description: Whether guests are reached over their compute hosts where they are not reached straight.
    type: bool
    default: true
  direct_networks:
    description: Names of networks whose addresses are reached straight from here, as where they are routed.
    type: list
    elements: str
    default: []
    vars:
      - name: launch_direct_networks
requirements:
  - SQLAlchemy >= 2.0.40 on the controller
  - alembic >= 1.13.2 on the controller
  - psycopg >= 3.1 on the controller, for PostgreSQL
  - PyMySQL >= 1.1 on the controller, for MariaDB
"""

EXAMPLES = r"""
# vms.kvmstack.yml: the default project's instances of the record in ~/.kvmstack.
# ansible-inventory -i inventory.yml -i vms.kvmstack.yml --graph
plugin: kvmstack.launch.instances
ansible_user: debian
---
# Those of all projects that run, in groups of one's own.
plugin: kvmstack.launch.instances
database: "postgresql+psycopg://viewer:{{ lookup('ansible.builtin.env', 'VIEWER_PASSWORD') | urlencode }}@db/launch"
all_projects: true
statuses: [ACTIVE]
compose:
  ansible_user: "'fedora' if 'fedora' in kvmstack.image else 'debian'"
groups:
  large: kvmstack.vcpus > 4
keyed_groups:
  - {prefix: role, key: kvmstack.metadata.role}
cache: true
"""

import json
import os
from typing import Any, Mapping

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from ..module_utils.core.errors import LaunchError, MissingLibrary
from ..module_utils.core.table import few
from ..module_utils.instance import inventory as rules
from ..module_utils.instance import jump, listing
from ..module_utils.record.database import Database
from ..module_utils.record.errors import place

ENDINGS = tuple(name + ending for name in (".kvmstack", "kvmstack_instances") for ending in (".yml", ".yaml"))
# What is asked of the record.
ASKED = ("database", "project_id", "all_projects")
HOME = "sqlite:///~/"


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """See its documentation."""

    NAME = "kvmstack.launch.instances"

    def verify_file(self, path: str) -> bool:
        """Whether the file is one for this plugin, by its name."""
        return path.endswith(ENDINGS) and super().verify_file(path)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the instances to the inventory."""
        super().parse(inventory, loader, path, cache)
        unknown = set(self._read_config_data(path)) - set(self.get_options())
        if unknown:
            raise AnsibleParserError("%s: unknown option %s" % (path, ", ".join(sorted(unknown))))
        told = [each for each in self._told(path, cache) if self._is_wanted(each)]
        reach = rules.Reach(
            self.get_option("ansible_user"), self.get_option("jump"), tuple(self.get_option("direct_networks"))
        )
        known: dict[str, Mapping] = {}
        for host in rules.hosts(told, self._holder, lambda name: self._once(known, name), reach):
            self._add(host)
        self._warn({each["name"]: rules.out_of_reach(each, reach) for each in told})

    def _warn(self, out_of_reach: Mapping[str, str | None]) -> None:
        """Say which instances have no ansible_host, though they have addresses; of many only some."""
        found = sorted(name for name, why in out_of_reach.items() if why)
        if found:
            self.display.warning(
                "no way is known to %s, whose networks have another router than their hosts: give them a "
                "floating_ip where they have IPv4, or name the networks in direct_networks where they are reached from "
                "here" % few(found)
            )

    def _told(self, path: str, cache: bool) -> list[dict[str, Any]]:
        """What the record says of its instances, or the cache, if it may and can."""
        asked = {name: self.templar.template(self.get_option(name)) for name in ASKED}
        if asked["database"].startswith(HOME):
            asked["database"] = asked["database"].replace("~", os.path.expanduser("~"), 1)
        if not self.get_option("cache"):
            return self._read(asked)
        key = self.get_cache_key("%s %s" % (path, json.dumps(asked, sort_keys=True)))
        if not cache or key not in self._cache:
            self._cache[key] = self._read(asked)
        return self._cache[key]

    def _read(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        everything = {"names": None, "hosts": None, "actions": False}
        try:
            found, record_id = listing.find({**everything, **asked})
            if not found and record_id is None:
                self.display.warning(
                    "database %s has no record of instances: the first launch makes it, or name the one it is in"
                    % place(Database(asked["database"]).url)
                )
        except MissingLibrary as error:
            raise AnsibleParserError(missing_required_lib(error.library)) from None
        except LaunchError as error:
            raise AnsibleParserError(str(error)) from None
        return [rules.told(each.to_result()) for each in found]

    def _is_wanted(self, instance: Mapping[str, Any]) -> bool:
        wanted = {"host": self.get_option("compute_hosts"), "status": self.get_option("statuses")}
        return all(values is None or instance[name] in values for name, values in wanted.items())

    def _holder(self, name: str) -> str | None:
        """Whose a name is: an instance's, another host's or a group's, or nobody's yet."""
        host = self.inventory.get_host(name)
        if host is None:
            return "" if name in self.inventory.groups else None
        return (host.get_vars().get(rules.VARIABLE) or {}).get("uuid", "")

    def _once(self, known: dict[str, Mapping], name: str) -> Mapping:
        if name not in known:
            known[name] = self._variables_of(name)
        return known[name]

    def _variables_of(self, name: str) -> Mapping[str, Any]:
        """How the inventory reaches a compute host; nothing of one that it does not have, or not yet."""
        host = self.inventory.get_host(name)
        if host is None:
            return {}
        read = (self.loader, self.inventory.processed_sources)
        of_groups = get_vars_from_inventory_sources(*read, host.get_groups(), "all")
        of_host = get_vars_from_inventory_sources(*read, [host], "all")
        said: Mapping[str, Any] = {}
        for each in (get_group_vars(host.get_groups()), of_groups, host.get_vars(), of_host, self._vars):
            said = combine_vars(said, each)
        self.templar.available_variables = {**said, "inventory_hostname": name}
        names = ("ansible_connection", *jump.ADDRESS, *jump.USER, *jump.PORT, *jump.KEY, *jump.MORE)
        known = {}
        for each in names:
            try:
                known.update({each: self.templar.template(said[each])} if each in said else {})
            except AnsibleError as error:
                self.display.warning("compute host %s: %s is not known in an inventory yet: %s" % (name, each, error))
        return known

    def _add(self, host: rules.Host) -> None:
        """Add a host with its groups, the rules' and the user's own."""
        self.inventory.add_host(host.name)
        for group in host.groups:
            self.inventory.add_child(self.inventory.add_group(group), host.name)
        for name, value in host.variables.items():
            self.inventory.set_variable(host.name, name, value)
        strict, variables = self.get_option("strict"), self.inventory.get_host(host.name).get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, host.name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host.name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host.name, strict=strict)
