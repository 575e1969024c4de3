"""Runs the command as `python -m seamless.cli.buffers`."""

from __future__ import annotations

import sys

from seamless.cli.buffers.main import main

if __name__ == "__main__":
    sys.exit(main())
