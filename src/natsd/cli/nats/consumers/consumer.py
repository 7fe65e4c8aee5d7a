"""`nats consumer`: the table of what can be done with consumers."""

from __future__ import annotations

from natsd.cli.nats.app import Table
from natsd.cli.nats.targets import StreamGroup

HELP = """Make, see, use and remove consumers of streams.

\b
Examples:
  nats consumer add ORDERS WORKER --pull --defaults
  nats consumer next ORDERS WORKER --count 10
  nats consumer info ORDERS WORKER
"""

_HERE = "natsd.cli.nats.consumers"
TABLE: Table = {
    "add": (f"{_HERE}.consumer_add:add", "Make a consumer", ("create", "new")),
    "cluster": ("natsd.cli.nats.streams.cluster:of_consumer", "Change who leads a consumer in a cluster", ("c",)),
    "copy": (f"{_HERE}.consumer_add:copy", "Make a consumer with the configuration of another", ("cp",)),
    "edit": (f"{_HERE}.consumer_add:edit", "Change the configuration of a consumer", ("update",)),
    "find": (f"{_HERE}.consumer_list:find", "Find consumers by what they are like", ("query",)),
    "graph": ("natsd.cli.nats.streams.graph:of_consumer", "Draw what a consumer does over time", ()),
    "info": (f"{_HERE}.consumer_list:info", "Show configuration and state", ("nfo",)),
    "ls": (f"{_HERE}.consumer_list:ls", "List the consumers of a stream", ("list",)),
    "next": (f"{_HERE}.consumer_next:fetch", "Fetch messages of a pull consumer", ()),
    "pause": (f"{_HERE}.consumer_change:pause", "Stop deliveries until a time", ()),
    "report": (f"{_HERE}.consumer_list:report", "Figures of all consumers of a stream", ()),
    "reset": (f"{_HERE}.consumer_change:reset", "Start again from an earlier message", ()),
    "resume": (f"{_HERE}.consumer_change:resume", "Go on with deliveries", ()),
    "rm": (f"{_HERE}.consumer_change:remove", "Remove a consumer", ("delete", "del")),
    "state": (f"{_HERE}.consumer_list:state", "Show the state", ()),
    "sub": (f"{_HERE}.consumer_next:listen", "Show messages of a consumer as they come", ()),
    "unpin": (f"{_HERE}.consumer_change:unpin", "Free a group from the client it is pinned to", ()),
}

command = StreamGroup("consumer", table=TABLE, help=HELP, short_help="Make, see, use and remove consumers.")
