# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The cloud that a request is for: its two accounts, and its services by their names in the catalog.

openstacksdk reads clouds.yaml, the OS_* variables and the parameters; keystoneauth authenticates. The services are
then spoken to directly, at the catalog's URL and a known version, so that nothing has to be discovered.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ..core.errors import InvalidRequest, MissingLibrary
from .account import Account
from .api import Api
from .definition import parse


@dataclass(frozen=True)
class Service:
    """How a service is found and spoken to. `version` follows the catalog's URL unless a version is in it."""

    name: str
    version: str
    headers: tuple[tuple[str, str], ...] = ()


SERVICES = {
    "identity": Service("Keystone", "v3"),
    "image": Service("Glance", "v2"),
    "network": Service("Neutron", "v2.0"),
    # 3.70 is Zed's. keystoneauth knows the catalog's older names for it (volumev3).
    "block-storage": Service("Cinder", "v3", (("OpenStack-API-Version", "volume 3.70"),)),
}
# The role by which services know each other (keystonemiddleware's default).
SERVICE_ROLE = "service"


def connect(params: dict[str, Any]) -> Cloud:
    """The cloud of the parameters CLOUD. Nothing is asked of it yet.

    MissingLibrary("openstacksdk"); InvalidRequest if there is no such cloud or its definition is not complete.
    """
    library = _library()
    user = _account(library, parse(params, "cloud"), params["private_path"])
    launcher = parse(params, "service_cloud")
    service = _account(library, launcher, params["private_path"]) if launcher else None
    return Cloud(user, service, params.get("request_id"))


class Cloud:
    """A cloud as the user's account and the launcher's own see it."""

    def __init__(self, user: Account, service: Account | None, request_id: str | None):
        self.user = user
        self._service = service
        self._request_id = request_id

    @property
    def project_id(self) -> str | None:
        """The project of the user's token; None when it is for a domain or the system."""
        return self.user.access().project_id

    @property
    def project_name(self) -> str | None:
        """Its name."""
        return self.user.access().project_name

    @property
    def user_id(self) -> str:
        """The user."""
        return self.user.access().user_id

    @property
    def user_name(self) -> str:
        """The user's name."""
        return self.user.access().username

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the roles that the user's token has."""
        return tuple(self.user.access().role_names or ())

    @property
    def token(self) -> str:
        """The text of the user's token, good for two minutes at least. Never to be shown or recorded."""
        return self.user.access().auth_token

    def api(self, service_type: str, as_service: bool = False) -> Api:
        """A service (image, network, block-storage, identity) for the user, or for the launcher's own account.

        Without an account of its own the launcher acts as the user.
        """
        service = SERVICES[service_type]
        account = (self._service or self.user) if as_service else self.user
        headers = dict(service.headers)
        if self._request_id:
            headers["X-OpenStack-Request-ID"] = self._request_id
        endpoint = versioned(account.endpoint(service_type), service.version)
        return Api(account, service.name, endpoint, headers, self._voucher)

    def _voucher(self) -> Account | None:
        """The account whose token vouches for a request: the launcher's own, else the user's if it is a service's."""
        return self._service or (self.user if SERVICE_ROLE in self.roles else None)


def versioned(url: str, version: str) -> str:
    """A catalog's URL with the API's version: block storage has it already, and a project behind it."""
    url = url.rstrip("/")
    return url if re.search(r"/v\d+(\.\d+)?(/|$)", url) else "%s/%s" % (url, version)


def _library() -> SimpleNamespace:
    """What is needed of openstacksdk and the keystoneauth below it."""
    try:
        from keystoneauth1 import exceptions
        from openstack.config import OpenStackConfig
        from openstack.exceptions import ConfigException
    except ImportError as error:
        raise MissingLibrary("openstacksdk") from error
    for name in ("keystoneauth", "openstack"):
        # Without a handler Python writes their warnings to stderr, beside our errors.
        logging.getLogger(name).addHandler(logging.NullHandler())
    return SimpleNamespace(
        exceptions=exceptions,
        ConfigException=ConfigException,
        OpenStackConfig=OpenStackConfig,
    )


def _account(library: SimpleNamespace, definition: str | dict[str, Any] | None, private_path: str) -> Account:
    """One account as defined by a cloud's name, by a mapping, or, if there is neither, by the OS_* variables."""
    name, region = _region(library, definition)
    return Account(library, name, region, private_path)


def region_of(definition: str | dict[str, Any] | None) -> Any:
    """What openstacksdk knows of an account (CloudRegion), for those who have their own way to ask Keystone."""
    return _region(_library(), definition)[1]


def _region(library: SimpleNamespace, definition: str | dict[str, Any] | None) -> tuple[str, Any]:
    """The account's name for people, and what openstacksdk knows of it."""
    if isinstance(definition, dict) and "cloud" in definition:
        name, source, elsewhere, arguments = "cloud %s" % definition["cloud"], "clouds.yaml", True, definition
    elif isinstance(definition, dict):
        name, source, elsewhere, arguments = "the given account", "the mapping", False, definition
    elif definition:
        name, source, elsewhere, arguments = "cloud %s" % definition, "clouds.yaml", True, {"cloud": definition}
    else:
        name, source, elsewhere, arguments = "the environment's account", "the OS_* variables", True, {}
    try:
        config = library.OpenStackConfig(load_yaml_config=elsewhere, load_envvars=elsewhere, app_name="kvmstack.launch")
        region = config.get_one(**arguments)
    except (library.ConfigException, library.exceptions.ClientException, TypeError) as error:
        raise InvalidRequest("%s: %s; correct %s" % (name, error, source)) from error
    if not hasattr(region.get_session().auth, "get_access"):
        raise InvalidRequest(
            "%s: %s gives no token; as auth_type use password, v3applicationcredential or v3token"
            % (name, region.config["auth_type"])
        )
    return name, region
