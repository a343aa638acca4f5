# Copyright: kvmstack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of core/specs.py's DATABASE."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module that reads or writes the record."""

    DOCUMENTATION = r"""
options:
  database:
    description:
      - SQLAlchemy URL of the database that holds the record.
      - An SQLite file (C(sqlite:////var/lib/launch.db)) serves one controller and is made when it is missing.
        PostgreSQL (C(postgresql+psycopg://...)) and MariaDB (C(mariadb+pymysql://...)) serve several.
      - The database itself must be there; its tables are made and upgraded by the first run that writes.
    type: str
    required: true
requirements:
  - SQLAlchemy >= 2.0.40 on the controller
  - alembic >= 1.13.2 on the controller
  - psycopg >= 3.1 on the controller, for PostgreSQL
  - PyMySQL >= 1.1 on the controller, for MariaDB
"""
