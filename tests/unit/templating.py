# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a playbook's expressions become, by Ansible's own loader, variable manager and templar; nothing is run.

A process of its own, as Ansible's finder of collections is there for good: it reads a list of questions in JSON and
writes the list of answers. A question has

  playbook    its file's name
  inventory   by group the hosts, each with its variables
  registered  by host what tasks there have registered
  extra       what -e gives
  asked       [play, task, host, template], a template in the task's variables, or without one whether the task runs;
              or nothing: [name, hosts] of every play

An answer is {"value": ...} or {"error": "..."}.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).parents[2]


class World:
    """An inventory, what its hosts have registered, and a playbook in the middle of it."""

    def __init__(self, question):
        self.loader = loader()
        self.inventory = InventoryManager(self.loader, parse=False)
        for group, hosts in question.get("inventory", {}).items():
            self.inventory.add_group(group)
            for host, variables in hosts.items():
                self.inventory.add_host(host, group)
                self.inventory.get_host(host).vars.update(variables)
        self.inventory.reconcile_inventory()
        self.variables = VariableManager(self.loader, self.inventory)
        self.variables._extra_vars = {name: trusted(value) for name, value in question.get("extra", {}).items()}
        HostVars(self.inventory, self.variables, self.loader)
        for host, registered in question.get("registered", {}).items():
            self.variables.set_nonpersistent_facts(host, registered)
        self.plays = plays(question["playbook"])

    def hosts(self):
        """Of every play its name and what its hosts are."""
        return [[play.name, self.validated(play).hosts] for play in self.plays]

    def validated(self, play):
        """As the executor makes it before it runs."""
        validated = play.copy()
        validated.post_validate(self.templar(play=play))
        return validated

    def value(self, play, task, host, template=None):
        """What a template is in the variables of a task, or whether that runs."""
        [play] = [each for each in self.plays if each.name == play][:1]
        [task] = [each for block in play.compile() for each in tasks(block) if each.name == task]
        templar = self.templar(play=play, host=self.inventory.get_host(host), task=task)
        if template is None:
            return all(templar.evaluate_conditional(condition) for condition in task.when)
        return templar.template(trusted(template))

    def templar(self, **where):
        return Templar(self.loader, self.variables.get_vars(**where))


@lru_cache(maxsize=None)
def loader():
    loader = DataLoader()
    loader.set_basedir(str(ROOT / "playbooks"))
    return loader


@lru_cache(maxsize=None)
def plays(playbook):
    """The plays of a playbook, with the roles and files that they import."""
    inventory = InventoryManager(loader(), parse=False)
    variables = VariableManager(loader(), inventory)
    return Playbook.load(str(ROOT / "playbooks" / playbook), variable_manager=variables, loader=loader()).get_plays()


def trusted(value):
    return trust_as_template(value) if isinstance(value, str) else value


def tasks(block):
    for each in block.block:
        yield from tasks(each) if isinstance(each, Block) else [each]


def answer(question):
    try:
        world = World(question)
        return {"value": world.value(*question["asked"]) if question.get("asked") else world.hosts()}
    except AnsibleError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    init_plugin_loader()
    json.dump([answer(question) for question in json.load(sys.stdin)], sys.stdout, default=str)
