"""`nats kv`: the table of what can be done with key-value buckets."""

from __future__ import annotations

from natsd.cli.nats.app import InnerGroup, Table

HELP = """Keep values under keys, in buckets.

\b
Examples:
  nats kv add CONFIG --history 5
  nats kv put CONFIG app.port 8080
  nats kv get CONFIG app.port --raw
  nats kv watch CONFIG 'app.>'
"""

_HERE = "natsd.cli.nats.buckets"
TABLE: Table = {
    "add": (f"{_HERE}.kv_bucket:add", "Make a bucket", ("new",)),
    "compact": (f"{_HERE}.kv_bucket:compact", "Remove what is left of deleted keys", ()),
    "create": (f"{_HERE}.kv_value:create", "Set the value of a key that has none", ()),
    "del": (f"{_HERE}.kv_value:delete", "Delete a key, or a bucket", ("rm",)),
    "edit": (f"{_HERE}.kv_bucket:edit", "Change a bucket", ()),
    "get": (f"{_HERE}.kv_value:get", "Show the value of a key", ()),
    "history": (f"{_HERE}.kv_value:history", "Show all that is known of a key", ()),
    "info": (f"{_HERE}.kv_bucket:info", "Show a bucket", ("view", "status")),
    "ls": (f"{_HERE}.kv_list:ls", "List buckets, or the keys of one", ("list",)),
    "purge": (f"{_HERE}.kv_value:purge", "Delete a key and its history", ()),
    "put": (f"{_HERE}.kv_value:put", "Set the value of a key", ()),
    "revert": (f"{_HERE}.kv_value:revert", "Set a value that a key had before", ()),
    "update": (f"{_HERE}.kv_value:update", "Set a value if nobody else did", ()),
    "watch": (f"{_HERE}.kv_list:watch", "Show changes as they come", ()),
}

command = InnerGroup("kv", table=TABLE, help=HELP, short_help="Keep values under keys, in buckets.")
