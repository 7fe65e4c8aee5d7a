"""`nats server`: the table of what can be asked of servers."""

from __future__ import annotations

from natsd.cli.nats.app import InnerGroup, Table

HELP = """See servers and work with what belongs to them.

list, ping, info, report, request and check server ask the servers themselves and need a user of the system account.
check connection needs any user; mappings and passwd need no server.
"""

_HERE = "natsd.cli.nats.servers"
TABLE: Table = {
    "check": (f"{_HERE}.server_check", "Health checks for monitoring systems", ()),
    "config": (f"{_HERE}.server_config", "Check configuration files", ()),
    "info": (f"{_HERE}.server_info:info", "Show a server", ("i",)),
    "list": (f"{_HERE}.server_list:ls", "List the servers", ("ls",)),
    "mappings": (f"{_HERE}.server_offline:mappings", "Try out a subject mapping", ("mapping",)),
    "passwd": (f"{_HERE}.server_offline:passwd", "Hash a password with bcrypt", ("mkpasswd", "pass", "password")),
    "ping": (f"{_HERE}.server_list:ping", "Ping all servers", ()),
    "report": (f"{_HERE}.server_report", "Reports over all servers", ("rep",)),
    "request": (f"{_HERE}.server_request", "Monitoring data as the servers give it", ("req",)),
}

command = InnerGroup("server", table=TABLE, help=HELP, short_help="See servers and work with what belongs to them.")
