"""`nats server`: the table of what can be asked of servers."""

from __future__ import annotations

from natsd.cli.nats.app import InnerGroup, Table

HELP = """See servers and work with what belongs to them.

check connection needs any user; mappings and passwd need no server.
"""

_HERE = "natsd.cli.nats"
TABLE: Table = {
    "check": (f"{_HERE}.server_check", "Health checks for monitoring systems", ()),
    "mappings": (f"{_HERE}.server_offline:mappings", "Try out a subject mapping", ("mapping",)),
    "passwd": (f"{_HERE}.server_offline:passwd", "Hash a password with bcrypt", ("mkpasswd", "pass", "password")),
}

command = InnerGroup("server", table=TABLE, help=HELP, short_help="See servers and work with what belongs to them.")
