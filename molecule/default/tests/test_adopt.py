# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A record that was lost is begun anew: what runs is taken into it as it is."""

from __future__ import annotations

import re

from ansible_collections.kvmstack.launch.molecule.shared.launching import WHOLE, Site, request


def test_what_runs_is_adopted_and_the_next_launch_changes_nothing(tmp_path):
    lost, anew = (Site("sqlite:///%s" % (tmp_path / name)) for name in ("lost.db", "anew.db"))
    port = {
        "network": "private",
        "fixed_ips": ["10.20.0.80", "10.20.0.81"],
        "allowed_address_pairs": ["10.20.0.200"],
        "qos": {"max_kbps": 8000},
    }
    wanted = request("left", networks=[port])
    lost.launch(wanted)
    row = lost.record("left")
    domain = lost.on(row["host"], "virsh domid left")
    try:
        refused = anew.run("adopt.yml", wanted, status=2).output
        [record] = set(re.findall(r"launch_adopt_record=([0-9a-f-]{36})", refused))
        named = {**wanted, "launch_adopt_record": record}
        assert not anew.run("adopt.yml", named, "--check").recap["localhost"]["failed"]
        assert not anew.records()
        anew.run("adopt.yml", named)
        assert anew.record("left")["uuid"] == row["uuid"]
        assert anew.parts("left") == WHOLE
        assert anew.run("adopt.yml", wanted).changed == 0
        anew.unchanged(wanted)
        assert anew.on(row["host"], "virsh domid left") == domain
    finally:
        (anew if anew.records() else lost).destroy(wanted)
    assert row["uuid"] not in anew.domains(row["host"])
    assert row["ports"][0]["id"] not in [each["name"] for each in anew.ports()]
