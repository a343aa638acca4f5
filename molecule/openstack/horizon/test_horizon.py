# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""OpenStack's dashboard on our Compute API, in a browser: `./dev horizon`, which leaves pictures in build/horizon."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Callable, Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from ansible_collections.kvmstack.launch.molecule.openstack.tests.door import in_the_catalog, opened
from ansible_collections.kvmstack.launch.molecule.shared.launching import ROOT

PORT = 18080
HORIZON = "http://127.0.0.1:%d" % PORT
PICTURES = ROOT / "build/horizon"
OPTIONS = ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1400,900")
DIALOG = ".modal-dialog"


class Dashboard:
    """Horizon in a browser."""

    def __init__(self, browser: webdriver.Chrome):
        self.browser = browser

    def wait(self, look: Callable, seconds: float = 60):
        """What look() gives, as soon as it gives something."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Exception):
                if found := look():
                    return found
            if time.monotonic() > end:
                self.picture("late")
                raise TimeoutError(self.browser.find_element(By.TAG_NAME, "body").text)
            time.sleep(0.3)

    def seen(self, selector: str) -> list[WebElement]:
        """The elements that a user sees."""
        return [each for each in self.browser.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()]

    def picture(self, name: str) -> None:
        self.browser.save_screenshot(str(PICTURES / (name + ".png")))

    def log_in(self, user: str, password: str) -> None:
        self.browser.get(HORIZON + "/auth/login/")
        self.browser.find_element(By.NAME, "username").send_keys(user)
        self.browser.find_element(By.NAME, "password").send_keys(password)
        self.browser.find_element(By.ID, "loginBtn").click()
        self.wait(lambda: "/auth/" not in self.browser.current_url)

    def go(self, path: str) -> None:
        self.browser.get(HORIZON + path)

    def step(self, name: str) -> None:
        """A step of the wizard by its name."""
        self.wait(
            lambda: [each.click() or each for each in self.seen(DIALOG + " li a") if each.text.strip("* \n") == name]
        )

    def take(self, name: str) -> None:
        """Of the things of a step the one of that name, by its arrow; an only one may have been taken already."""

        def click() -> bool:
            for row in self.seen(DIALOG + " tr"):
                if name in row.text.split():
                    for arrow in row.find_elements(By.CSS_SELECTOR, "button.fa-arrow-up"):
                        arrow.click()
                    return True
            return False

        self.wait(click)

    def rows(self) -> list[str]:
        """The lines of the page Instances."""
        self.go("/project/instances/")
        return [each.text for each in self.seen("#instances tbody tr")]

    def row(self, name: str) -> str:
        """The line of an instance that is done with."""
        return next(each for each in self.rows() if name in each.split() and ("Active" in each or "Error" in each))


@pytest.fixture(scope="module")
def dashboard(site, tmp_path_factory) -> Iterator[Dashboard]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "HORIZON_KEYSTONE_URL": site.admin.config.auth["auth_url"]}
    environment.pop("PYTHONPATH", None)
    command = ["/usr/bin/python3", str(Path(__file__).with_name("serve.py")), str(PORT)]
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for option in OPTIONS:
        options.add_argument("--" + option)
    folder = tmp_path_factory.mktemp("door")
    with contextlib.ExitStack() as stack:
        stack.enter_context(opened(site, folder))
        stack.enter_context(in_the_catalog(site.admin))
        log = stack.enter_context(open(PICTURES / "log", "wb"))
        horizon = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        stack.callback(horizon.wait)
        stack.callback(horizon.terminate)
        browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        stack.callback(browser.quit)
        dashboard = Dashboard(browser)
        dashboard.wait(lambda: urllib.request.urlopen(HORIZON + "/auth/login/", timeout=5).status == 200)
        yield dashboard


def test_the_wizard_launches_a_guest_that_the_pages_show(site, dashboard):
    dashboard.log_in("member", site.admin.config.auth["password"])
    dashboard.go("/project/instances/")
    dashboard.wait(lambda: dashboard.seen("#instances__action_launch-ng"))[0].click()
    dashboard.wait(lambda: dashboard.seen(DIALOG + " input[name=name]"))[0].send_keys("dashed")
    try:
        for step, choice in (("Source", "nop"), ("Flavor", "tiny"), ("Networks", "private")):
            dashboard.step(step)
            dashboard.take(choice)
            dashboard.picture("wizard-" + step.lower())
        dashboard.seen(DIALOG + " button.finish")[0].click()
        row = dashboard.wait(lambda: dashboard.row("dashed"), 240)
        dashboard.picture("instances")
        address = site.record("dashed")["ports"][0]["fixed_ip"]
        assert {"dashed", "nop", "tiny", "Active", "Running", address} <= set(row.split())
        detail = "/project/instances/%s/?tab=instance_details__" % site.record("dashed")["uuid"]
        for tab, told in (("log", "GUEST-READY"), ("audit", "Create"), ("interfaces", address)):
            dashboard.go(detail + tab)
            dashboard.wait(lambda told=told: told in dashboard.seen(".tab-content")[0].text)
            dashboard.picture("instance-" + tab)
    finally:
        site.destroy({"launch_instances": [{"name": "dashed", "state": "absent"}]})
