"""What the kernel's scanner hands to a session: the first item of an op tuple, and the kinds of a fatal one.

Everything a client says that is not PUB, HPUB or PING comes back as one of these; the tuple's shape stands beside each.
"""

from __future__ import annotations

CONNECT = 1  # (CONNECT, json: bytes)
SUB = 2  # (SUB, subject: bytes, queue: bytes | None, sid: bytes)
UNSUB = 3  # (UNSUB, sid: bytes, max: int)  max is -1 where none was given or it was no size
PING = 4  # (PING,)  only while Inbound.first_ping
PONG = 5  # (PONG,)
INFO = 6  # (INFO, json: bytes)  from a client; meaningless, but it must be JSON
ERR = 7  # (ERR, text: bytes)  a client's own -ERR; the connection ends
EARLY = 8  # (EARLY,)  some verb before CONNECT while Inbound.gate
DENIED = 9  # (DENIED, subject: bytes)  publish not permitted; nothing was delivered
DENIED_REPLY = 10  # (DENIED_REPLY, reply: bytes)  the reply subject is reserved; nothing was delivered
PEDANTIC = 11  # (PEDANTIC, subject: bytes)  no valid literal subject; delivered all the same
BAD = 12  # (BAD, kind: int, snippet: bytes)  fatal; the scanner takes nothing more

BAD_VERB = 1  # no verb of the protocol, or a payload that does not end where it said
BAD_ARGS = 2  # a verb with arguments that cannot be read: closed without an -ERR
BAD_MAX_PAYLOAD = 3  # declared size over max_payload; the snippet is the size in decimal
BAD_CONTROL_LINE = 4  # arguments longer than max_control_line
BAD_HEADERS_OFF = 5  # HPUB where headers were not agreed: closed without an -ERR

SNIPPET_BYTES = 32  # how much of an offending line a BAD op carries
