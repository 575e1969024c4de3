"""`python -m seamless_database` is the command `seamless-database`."""

from __future__ import annotations

import sys

from seamless_database.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
