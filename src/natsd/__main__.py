"""`python -m natsd` is `nats-server`."""

from __future__ import annotations

import sys

from natsd.cli.server_main import main

if __name__ == "__main__":
    sys.exit(main())
