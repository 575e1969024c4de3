"""The back end for PostgreSQL: any number of servers on one database.

Needs the extra `seamless-database[postgresql]`. It caches no rows, because another server may
change them at any moment.
"""

from __future__ import annotations
