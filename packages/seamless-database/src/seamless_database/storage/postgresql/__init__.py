"""The back end for PostgreSQL: any number of servers on one database.

Needs the extra `seamless-database[postgresql]`. Nothing here keeps what it has read: another
server may change it at any moment. `database` is the way in.
"""

from __future__ import annotations
