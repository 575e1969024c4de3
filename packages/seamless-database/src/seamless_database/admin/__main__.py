"""`python -m seamless_database.admin` is the command `seamless-database-admin`."""

from __future__ import annotations

import sys

from seamless_database.admin.cli import main

if __name__ == "__main__":
    sys.exit(main())
