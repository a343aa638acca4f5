# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's CLOUD."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that speaks to OpenStack's services."""

    DOCUMENTATION = r"""
options:
  cloud:
    description:
      - The name of a cloud in C(clouds.yaml), with the account on whose behalf instances are launched.
      - Without it and without O(auth), the environment's C(OS_*) variables tell.
    type: str
  auth:
    description: The same in place of C(clouds.yaml), as its section C(auth).
    type: dict
    suboptions:
      auth_url:
        description: The identity service, such as C(https://keystone.example.org:5000/v3).
        type: str
      username:
        description: The user's name.
        type: str
      user_id:
        description: The user's id.
        type: str
      user_domain_name:
        description: The name of the user's domain.
        type: str
      user_domain_id:
        description: The id of the user's domain.
        type: str
      project_name:
        description: The project's name.
        type: str
      project_id:
        description: The project's id.
        type: str
      project_domain_name:
        description: The name of the project's domain.
        type: str
      project_domain_id:
        description: The id of the project's domain.
        type: str
      domain_name:
        description: The name of the domain that the token is for, in place of a project.
        type: str
      domain_id:
        description: The id of the domain that the token is for, in place of a project.
        type: str
      system_scope:
        description: V(all) for a token for the whole system, in place of a project.
        type: str
      application_credential_id:
        description: The id of an application credential.
        type: str
      application_credential_name:
        description: The name of an application credential.
        type: str
      password:
        description: The password.
        type: str
      application_credential_secret:
        description: The application credential's secret.
        type: str
      token:
        description: A token that the user has.
        type: str
  auth_type:
    description:
      - How to authenticate, C(password), C(v3applicationcredential), C(v3token) or another of keystoneauth's. Left out,
        what C(clouds.yaml) says, else C(password).
    type: str
  region_name:
    description: The region whose services are used. Left out, what the cloud's definition says.
    type: str
  interface:
    description: Which of the catalog's endpoints are used.
    type: str
    choices: [public, internal, admin]
    default: public
  ca_cert:
    description: File with the certificates of the authorities that sign the services'.
    type: path
  service_cloud:
    description:
      - The name of a cloud in C(clouds.yaml) with the launcher's own account, as nova has one. It has the roles
        C(admin) and C(service), binds ports to hosts and vouches for the removal of volumes' attachments.
      - Left out, the user's own account does that, and must be allowed to.
    type: str
  private_path:
    description: Where tokens and other secrets are kept, in files that only the account that runs this can read.
    type: path
    default: ~/.kvmstack/private
  request_id:
    description: What this run is called in the record and in the services' logs, as C(req-) and a UUID.
    type: str
requirements:
  - openstacksdk >= 4.0 on the controller
"""
