# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an instance is and what is done to it, in nova's words, as the rooms share them."""

from __future__ import annotations

# What the Compute API calls an instance that is as asked for, by the state that is asked for.
STATUS = {"started": "ACTIVE", "stopped": "SHUTOFF"}

# What is done to a guest that is to start anew, by what its entry asks for (nova/compute/task_states.py): it shuts down
# first, or is turned off at once.
RESTARTS = {"restarted": "rebooting", "reset": "rebooting_hard"}

# What an entry asks for whose instance is to be made anew on its host, over a new root disk; and the task state of it
# until that is done, whichever run does it.
REBUILT, REBUILDING = "rebuilt", "rebuilding"

# What is done to an instance, under nova's names (nova/compute/instance_actions.py), by the task state of it; and back.
TASKS = {"delete": "deleting", "stop": "powering-off", "start": "powering-on", "rebuild": REBUILDING}

ACTIONS = {**{task: action for action, task in TASKS.items()}, **dict.fromkeys(RESTARTS.values(), "reboot")}

# Task states in which nova leaves an instance only while something is done to it.
PASSING_TASKS = ("powering-off", "powering-on", *RESTARTS.values())

# What a guest is by what its host said of it (nova/compute/power_state.py); a host that lacks it knows no state.
POWER = {
    "running": "ACTIVE",
    "paused": "PAUSED",
    "shutdown": "SHUTOFF",
    "crashed": "SHUTOFF",
    "suspended": "SUSPENDED",
    "nostate": "ERROR",
}
