# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Debian's Horizon for one test: who may talk to it, where Keystone is, and nothing kept but in cookies."""

import os

import openstack_dashboard.settings as debian

globals().update({name: getattr(debian, name) for name in dir(debian) if name.isupper()})

OPENSTACK_KEYSTONE_URL = os.environ["HORIZON_KEYSTONE_URL"]
OPENSTACK_API_VERSIONS = {"identity": 3, "image": 2, "volume": 3}
ALLOWED_HOSTS = ["127.0.0.1"]
SECRET_KEY = os.urandom(32).hex()
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = False
WEBROOT, LOGIN_URL, LOGOUT_URL, LOGIN_REDIRECT_URL = "/", "/auth/login/", "/auth/logout/", "/"
