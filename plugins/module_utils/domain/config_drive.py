# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the config drive says to the guest, in the words of nova's metadata (nova/api/metadata/base.py).

Pure: paths and bytes. The same instance always gives the same bytes.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any, Mapping

# nova writes every version since 2012; cloud-init takes the newest it knows, others take latest.
VERSIONS = ("latest", "2018-08-27")
USER_DATA = "openstack/%s/user_data" % VERSIONS[0]


def with_user_data(content: Mapping[str, bytes], user_data: bytes | None) -> dict[str, bytes]:
    """The files of a config drive, and beside them the user data that an older one has."""
    if user_data is None:
        return dict(content)
    return {**content, **{"openstack/%s/user_data" % version: user_data for version in VERSIONS}}


def files(
    document: dict[str, Any], ports: list[dict[str, Any]], user_data: bytes | None, vendor_data: Any
) -> dict[str, bytes]:
    """Every file of an instance's config drive, by its path; user_data is exactly what was given."""
    content = {
        "meta_data.json": _json(meta_data(document)),
        "network_data.json": _json(network_data(ports)),
        "vendor_data.json": _json(vendor_data or {}),
    }
    drive = {"openstack/%s/%s" % (version, name): data for version in VERSIONS for name, data in content.items()}
    return with_user_data(drive, user_data)


def meta_data(document: dict[str, Any]) -> dict[str, Any]:
    """meta_data.json of an instance; its availability zone is its host's, whether it asked for that or not."""
    keys = {"key-%d" % number: key.strip() for number, key in enumerate(document.get("ssh_keys") or [], 1)}
    return {
        "uuid": document["uuid"],
        "name": document["name"],
        "hostname": hostname(document["name"]),
        "launch_index": 0,
        "availability_zone": document.get("zone"),
        "project_id": document.get("project_id"),
        "meta": document.get("metadata") or {},
        "public_keys": keys,
        "keys": [{"name": name, "type": "ssh", "data": key} for name, key in keys.items()],
        "devices": [],
    }


def hostname(name: str) -> str:
    """An instance's name as a host name (nova/utils.py, `sanitize_hostname`)."""
    return re.sub(r"[ _.]", "-", name).lower().strip("-")[:63]


def network_data(ports: list[dict[str, Any]]) -> dict[str, Any]:
    """network_data.json for these port results (nova/virt/netutils.py, `get_network_metadata`)."""
    servers = [server for port in ports for server in port.get("dns") or []]
    taps = {port["id"]: port["tap"] for port in ports}
    return {
        "links": [_link(port, taps) for port in ports],
        "networks": [
            {"id": "network%d" % number, **network}
            for number, network in enumerate(network for port in ports for network in _networks(port))
        ],
        "services": [{"type": "dns", "address": server} for server in dict.fromkeys(servers)],
    }


def _link(port: dict[str, Any], taps: dict[str, str]) -> dict[str, Any]:
    """A port's interface; of a sub-port the VLAN (l2_vlan in nova's schema of network_data.json).

    taps: what links are called, by their ports' ids.
    """
    link = {"id": port["tap"], "vif_id": port.get("port_id") or port["id"], "mtu": port.get("mtu")}
    if not port.get("parent"):
        return {**link, "type": "ovs", "ethernet_mac_address": port.get("mac_address")}
    return {
        **link,
        "type": "vlan",
        "vlan_link": taps.get(port["parent"]),
        "vlan_id": port.get("vlan"),
        "vlan_mac_address": port.get("mac_address"),
    }


def _networks(port: dict[str, Any]) -> list[dict[str, Any]]:
    """A port's addresses: the first leased by the network, or said here where the network has no DHCP; all others said.

    An address of which the network's prefix is not known cannot be said. The guest makes its IPv6 address itself, and
    on IPv6 alone it has no other.
    """
    on = {"link": port["tap"], "network_id": port.get("network_id") or port.get("network")}
    listed = (port.get("fixed_ips") or [])[1:] if port.get("cidr") else []
    further = [address for address in listed if address != port.get("ipv6_address")]
    alone = port.get("ipv6_address") and port["ipv6_address"] == port.get("fixed_ip")
    return [
        *([] if alone else [_first(port, on)]),
        *({**on, **_said(port, address), "routes": [], "services": []} for address in further),
        *([{**on, **_slaac(port)}] if port.get("ipv6_address") else []),
    ]


def _first(port: dict[str, Any], on: dict[str, Any]) -> dict[str, Any]:
    is_6 = ":" in (port.get("fixed_ip") or "")
    if port.get("dhcp") is not False or not port.get("fixed_ip") or not port.get("cidr"):
        return {**on, "type": "ipv6_dhcp" if is_6 else "ipv4_dhcp"}
    anywhere = dict.fromkeys(("network", "netmask"), "::" if is_6 else "0.0.0.0")
    routes = [{**anywhere, "gateway": port["gateway"]}] if port.get("gateway") else []
    services = [{"type": "dns", "address": server} for server in port.get("dns") or []]
    return {**on, **_said(port, port["fixed_ip"]), "routes": routes, "services": services}


def _said(port: dict[str, Any], address: str) -> dict[str, str]:
    kind = "ipv6" if ":" in address else "ipv4"
    return {"type": kind, "ip_address": address, "netmask": str(ipaddress.ip_network(port["cidr"]).netmask)}


def _slaac(port: dict[str, Any]) -> dict[str, Any]:
    """The IPv6 address of a port (neutron's ipv6_address_mode: slaac)."""
    gateway = port.get("ipv6_gateway")
    return {
        "type": "ipv6_slaac",
        "ip_address": port["ipv6_address"],
        "netmask": str(ipaddress.ip_network(port["ipv6_cidr"]).netmask),
        "routes": [{"network": "::", "netmask": "::", "gateway": gateway}] if gateway else [],
        "services": [{"type": "dns", "address": server} for server in port.get("dns") or [] if ":" in server],
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True).encode()
