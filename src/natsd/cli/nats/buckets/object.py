"""`nats object`: the table of what can be done with object buckets."""

from __future__ import annotations

from natsd.cli.nats.app import InnerGroup, Table

HELP = """Keep files, however large, in buckets.

\b
Examples:
  nats object add FILES
  nats object put FILES image.iso
  nats object get FILES image.iso --output copy.iso
"""

_HERE = "natsd.cli.nats.buckets"
TABLE: Table = {
    "add": (f"{_HERE}.object_bucket:add", "Make a bucket", ()),
    "del": (f"{_HERE}.object_file:delete", "Delete an object, or a bucket", ("rm",)),
    "edit": (f"{_HERE}.object_bucket:edit", "Change a bucket", ()),
    "get": (f"{_HERE}.object_file:get", "Fetch an object into a file", ()),
    "info": (f"{_HERE}.object_bucket:info", "Show a bucket or an object", ("show", "i")),
    "ls": (f"{_HERE}.object_bucket:ls", "List buckets, or the objects of one", ("list",)),
    "put": (f"{_HERE}.object_file:put", "Store a file", ()),
    "seal": (f"{_HERE}.object_bucket:seal", "Let nothing change in a bucket any more", ()),
    "watch": (f"{_HERE}.object_bucket:watch", "Show changes as they come", ()),
}

command = InnerGroup("object", table=TABLE, help=HELP, short_help="Keep files, however large, in buckets.")
