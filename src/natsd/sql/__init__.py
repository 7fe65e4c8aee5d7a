"""SQL over the messages of a stream: SQLite with a virtual table `messages`, read-only.

Knows neither stores nor servers: whoever has the messages hands in a `Reader`. Nothing here is imported by a server; it
runs in a process of its own (child.py) or in the `nats` command.
"""
