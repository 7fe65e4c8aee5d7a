"""`nats counter`: the table of what can be done with the counters of a stream."""

from __future__ import annotations

from natsd.cli.nats.app import InnerGroup, Table

HELP = """Count with streams that were made with --allow-counter.

\b
Examples:
  nats stream add COUNTS --subjects 'count.>' --allow-counter --defaults
  nats counter increment count.visits 1
  nats counter get count.visits
"""

_HERE = "natsd.cli.nats.streams"
TABLE: Table = {
    "decrement": (f"{_HERE}.counter_value:decrement", "Take something from a counter", ("decr", "dec", "d")),
    "get": (f"{_HERE}.counter_value:get", "Show the value of a counter", ("g",)),
    "increment": (f"{_HERE}.counter_value:increment", "Add something to a counter", ("incr", "inc", "i")),
    "list": (f"{_HERE}.counter_value:ls", "List the counters of a stream", ("l", "ls")),
    "view": (f"{_HERE}.counter_value:view", "Show a counter with what its sources have", ("v",)),
}

command = InnerGroup("counter", table=TABLE, help=HELP, short_help="Count with streams.")
