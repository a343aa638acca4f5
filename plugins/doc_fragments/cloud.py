# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's CLOUD, and of the mappings in it that cloud/definition.py reads."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that speaks to OpenStack's services."""

    DOCUMENTATION = r"""
options:
  cloud:
    description:
      - The account on whose behalf instances are launched, as the name of a cloud in C(clouds.yaml), or as a mapping
        with what an entry there has.
      - Left out or empty, the environment's C(OS_*) variables say it.
      - The keys of a mapping are C(auth), C(auth_type), C(region_name), C(interface) (V(public), V(internal) or
        V(admin)), C(verify), the files C(cacert), C(cert) and C(key), and the URLs C(identity_endpoint_override),
        C(image_endpoint_override), C(network_endpoint_override) and C(block_storage_endpoint_override); and C(cloud),
        the name of an entry of C(clouds.yaml) of which the others say what is otherwise.
      - The keys of C(auth) are C(auth_url); C(username), C(user_id), C(user_domain_name), C(user_domain_id);
        C(project_name), C(project_id), C(project_domain_name), C(project_domain_id); C(domain_name), C(domain_id),
        C(default_domain_name), C(default_domain_id), C(system_scope), C(trust_id); C(application_credential_id),
        C(application_credential_name), C(application_credential_secret); C(password), C(passcode), C(token).
      - Another key, and a value of the wrong kind, is an error. Passwords, secrets and tokens in a mapping never show
        in results or logs.
    type: raw
  service_cloud:
    description:
      - The launcher's own account, as nova has one, given like O(cloud). It has the roles C(admin) and C(service),
        binds ports to hosts and vouches for the removal of volumes' attachments.
      - Left out or empty, the user's own account does that, and must be allowed to.
    type: raw
  private_path:
    description: Where tokens and other secrets are kept, in files that only the account that runs this can read.
    type: path
    default: ~/.kvmstack/private
  request_id:
    description: What this run is called in the record and in the services' logs, as C(req-) and a UUID.
    type: str
requirements:
  - openstacksdk >= 4.5.0 on the controller
"""
