# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Furnishes an OpenStack with what is described on standard input; says what it makes, a line each."""

from __future__ import annotations

import functools
import hashlib
import json
import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import openstack


def named(things) -> dict:
    return {thing.name: thing for thing in things}


def make(noun: str, names, known: dict, create) -> None:
    """Makes what is not known by its name yet."""
    for name in names:
        if name not in known:
            known[name] = create(name=name)
            print("made", noun, name)


def answered(url: str, seconds: int = 180) -> None:
    """Waits until somebody listens at the address."""
    parts, end = urlsplit(url), time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((parts.hostname, parts.port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def working(volume, backends: list[str], seconds: int = 180) -> None:
    """Waits until Cinder has heard of its scheduler and of all backends, and that one what room they have."""
    end = time.monotonic() + seconds
    wanted = {"cinder-scheduler", *backends, *("room of " + name for name in backends)}
    while missing := wanted - heard(volume):
        if time.monotonic() > end:
            raise TimeoutError("Cinder does not hear of %s" % ", ".join(sorted(missing)))
        time.sleep(0.5)


def heard(volume) -> set[str]:
    """What Cinder knows of its services, and its scheduler of backends' room: without that it places no volume."""
    services = {name for one in volume.services() for name in (one.binary, one.host.split("@")[-1])}
    return services | {"room of " + one.name.split("@")[-1].split("#")[0] for one in volume.backend_pools()}


def accounts(identity, wanted: list[dict], password: str) -> None:
    """Users with their projects, and their roles on these."""
    projects, users, roles = named(identity.projects()), named(identity.users()), named(identity.roles())
    given = {(one.user["id"], one.scope["project"]["id"], one.role["id"]) for one in assignments(identity)}
    make("project", (account["project"] for account in wanted), projects, identity.create_project)
    make("role", (name for account in wanted for name in account["roles"]), roles, identity.create_role)
    create_user = functools.partial(identity.create_user, password=password)
    make("user", (account["user"] for account in wanted), users, create_user)
    for account in wanted:
        user, project = users[account["user"]], projects[account["project"]]
        for name in account["roles"]:
            if (user.id, project.id, roles[name].id) not in given:
                identity.assign_project_role_to_user(project, user, roles[name])
                print("gave", name, "to", account["user"])


def assignments(identity):
    """Who has which role on a project."""
    return (one for one in identity.role_assignments() if one.user and "project" in one.scope)


def catalog(identity, endpoints: dict[str, str]) -> None:
    """The services by type, each with its public address."""
    types = {service.type: service for service in identity.services()}
    for kind, url in endpoints.items():
        if kind not in types:
            service = identity.create_service(type=kind, name=kind)
            identity.create_endpoint(service_id=service.id, interface="public", url=url, region_id="RegionOne")
            print("made endpoint", kind)


def volume_types(volume, wanted: dict[str, str]) -> None:
    """Volume types by name, each with its backend."""
    known = named(volume.types())
    for name, backend in wanted.items():
        if name not in known:
            made = volume.create_type(name=name)
            volume.update_type_extra_specs(made, volume_backend_name=backend)
            print("made volume type", name)


def images(image, wanted: list[dict], folder: Path) -> None:
    """Public images; one whose file has changed is made anew, one whose file is not there is left out."""
    known = named(image.images())
    for entry in wanted:
        path = folder / entry["file"]
        if entry["file"] and not path.exists():
            continue
        digest = hashlib.sha512(path.read_bytes()).hexdigest() if entry["file"] else None
        found = known.get(entry["name"])
        if found is not None and found.hash_value == digest:
            continue
        if found is not None:
            image.delete_image(found)
        made = image.create_image(
            name=entry["name"], disk_format=entry["disk_format"], container_format="bare", visibility="public"
        )
        if entry["file"]:
            upload(image, made, path, entry["store"])
        print("made image", entry["name"])


def upload(image, made, path: Path, store: str) -> None:
    headers = {"Content-Type": "application/octet-stream", "X-Image-Meta-Store": store}
    with path.open("rb") as data:
        response = image.put("/images/%s/file" % made.id, data=data, headers=headers)
    openstack.exceptions.raise_from_response(response)


def public_network(network, subnet: dict) -> None:
    """The network outside, on the wire that the gateway host calls public."""
    if "public" not in named(network.networks()):
        outside = network.create_network(
            name="public", is_router_external=True, provider_network_type="flat", provider_physical_network="public"
        )
        network.create_subnet(
            name="public",
            network_id=outside.id,
            ip_version=4,
            is_dhcp_enabled=False,
            cidr=subnet["cidr"],
            gateway_ip=subnet["gateway_ip"],
            allocation_pools=[{"start": subnet["start"], "end": subnet["end"]}],
        )
        print("made network public")


def private_network(network, subnet: dict) -> None:
    """A project's own network, behind a router to the network outside."""
    known = named(network.networks())
    if "private" not in known:
        inside = network.create_network(name="private")
        made = network.create_subnet(name="private", network_id=inside.id, ip_version=4, **subnet)
        router = network.create_router(name="router", external_gateway_info={"network_id": known["public"].id})
        network.add_interface_to_router(router, subnet_id=made.id)
        print("made network private")


def security_group(network) -> None:
    """A project's group web: HTTP and ping from everywhere."""
    if "web" not in named(network.security_groups()):
        group = network.create_security_group(name="web")
        for rule in ({"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}, {"protocol": "icmp"}):
            network.create_security_group_rule(
                security_group_id=group.id, direction="ingress", remote_ip_prefix="0.0.0.0/0", **rule
            )
        print("made security group web")


def main() -> None:
    wanted = json.load(sys.stdin)
    answered(wanted["keystone"])
    admin = openstack.connect(cloud="admin")
    services = [{"user": name, "project": "service", "roles": ["admin", "service"]} for name in wanted["services"]]
    accounts(admin.identity, services + wanted["accounts"], wanted["password"])
    catalog(admin.identity, wanted["endpoints"])
    # A token's catalog is as old as the token.
    admin, member = openstack.connect(cloud="admin"), openstack.connect(cloud="member")
    for url in wanted["endpoints"].values():
        answered(url)
    volume_types(admin.block_storage, wanted["volume_types"])
    images(admin.image, wanted["images"], Path(wanted["folder"]))
    public_network(admin.network, wanted["public_subnet"])
    private_network(member.network, wanted["private_subnet"])
    security_group(member.network)
    working(admin.block_storage, wanted["backends"])


if __name__ == "__main__":
    main()
