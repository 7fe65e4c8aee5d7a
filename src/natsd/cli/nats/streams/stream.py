"""`nats stream`: the table of what can be done with streams."""

from __future__ import annotations

from natsd.cli.nats.app import Table
from natsd.cli.nats.targets import StreamGroup

HELP = """Make, see, change and remove streams.

\b
Examples:
  nats stream add ORDERS --subjects 'orders.>' --defaults
  nats stream info ORDERS
  nats stream view ORDERS --since 1h
"""

_HERE = "natsd.cli.nats.streams"
TABLE: Table = {
    "add": (f"{_HERE}.stream_add:add", "Make a stream", ("create", "new")),
    "backup": (f"{_HERE}.stream_backup:backup", "Save a stream in a directory", ("snapshot",)),
    "cluster": (f"{_HERE}.cluster:of_stream", "Change who leads a stream in a cluster", ("c",)),
    "copy": (f"{_HERE}.stream_add:copy", "Make a stream with the configuration of another", ("cp",)),
    "edit": (f"{_HERE}.stream_add:edit", "Change the configuration of a stream", ("update",)),
    "find": (f"{_HERE}.stream_find:find", "Find streams by what they are like", ("query",)),
    "gaps": (f"{_HERE}.stream_gaps:gaps", "Show which messages are deleted", ()),
    "get": (f"{_HERE}.stream_messages:get", "Show one message", ()),
    "graph": (f"{_HERE}.graph:of_stream", "Draw what a stream has over time", ()),
    "info": (f"{_HERE}.stream_list:info", "Show configuration and state", ("nfo", "i")),
    "ls": (f"{_HERE}.stream_list:ls", "List the streams", ("list", "l")),
    "purge": (f"{_HERE}.stream_change:purge", "Remove many messages", ()),
    "report": (f"{_HERE}.stream_report:report", "Figures of all streams", ()),
    "restore": (f"{_HERE}.stream_backup:restore", "Bring a stream back from a directory", ()),
    "rm": (f"{_HERE}.stream_change:remove", "Remove a stream", ("delete", "del")),
    "rmm": (f"{_HERE}.stream_change:remove_message", "Remove one message", ()),
    "seal": (f"{_HERE}.stream_change:seal", "Let nothing change in a stream any more", ()),
    "sql": (f"{_HERE}.stream_sql:sql", "Ask for messages in SQL", ()),
    "state": (f"{_HERE}.stream_list:state", "Show the state", ()),
    "subjects": (f"{_HERE}.stream_list:subjects", "List subjects with their messages", ("subj",)),
    "view": (f"{_HERE}.stream_messages:view", "Page through the messages", ()),
}

command = StreamGroup("stream", table=TABLE, help=HELP, short_help="Make, see, change and remove streams.")
