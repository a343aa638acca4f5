# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of image/policy.py's OPTIONS and image/request.py's TOKEN."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that brings images to a compute host."""

    DOCUMENTATION = r"""
options:
  token:
    description:
      - A token for the image service that O(token_url) names. It is sent to no other server, and shown nowhere.
    type: str
  token_url:
    description:
      - The image service's versioned URL, such as C(https://glance.example.org:9292/v2). Images below it are fetched
        with O(token), as long as no redirect leads elsewhere.
      - An image there never changes, so an interrupted download goes on also where the service names no version.
    type: str
  image_queries:
    description:
      - The text of a JSON object, by the name of an image what follows the C(?) in its url, such as a signature. It
        goes to that server and is shown nowhere.
    type: str
    default: ""
  image_sources:
    description:
      - Folders of the compute host, below which the files of C(file) urls must be when links are followed; and the
        addresses and networks of web servers on the host itself (loopback) or on its link (link-local) that may be
        asked. Others there are refused, whatever their name, and also where a redirect leads there.
      - Of a server behind a proxy the proxy judges. The image service of O(token_url) may be anywhere.
    type: list
    elements: str
    default: [/srv/images]
  image_max_size:
    description: How large an image may be, in GiB, for an instance whose flavor has no disk of its own.
    type: int
    default: 100
  image_timeout:
    description: How long the transfer of one image may take, in seconds. The next run goes on with what has come.
    type: int
    default: 3600
"""
