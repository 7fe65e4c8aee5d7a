"""Plain form of one connection's way in: the scanner of what a client says, and the fast path of PUB and HPUB.

Rules the native form keeps too:
1. A verb's first wrong byte is fatal at once, before any newline.
2. Ops gather until a PUB, HPUB or answered PING follows; then the scanner stops, so that order holds, and goes on at
   `resume`. Nothing is scanned while ops wait.
3. A payload is waited for by its declared length: its bytes are looked at once, when all are there.
4. What waits between two reads is at most one control line, or one frame whose size passed max_payload's check.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from natsd.kernel._plain_verdicts import Verdicts
from natsd.protocol import ops as op

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.kernel._plain_road import Outbound, Road
    from natsd.kernel._plain_sublist import Sublist

    Op = tuple[Any, ...]

READ_BYTES = 65536
_EMPTY = b""

# verb -> a blank must follow; what may come instead of arguments
_PUB, _HPUB, _SUB, _UNSUB, _CONNECT, _INFO, _ERR, _PING, _PONG, _OK = range(10)
_VERBS = {
    b"PUB": _PUB,
    b"HPUB": _HPUB,
    b"SUB": _SUB,
    b"UNSUB": _UNSUB,
    b"CONNECT": _CONNECT,
    b"INFO": _INFO,
    b"-ERR": _ERR,
    b"PING": _PING,
    b"PONG": _PONG,
    b"+OK": _OK,
}
_BY_FIRST = {b"H": b"HPUB", b"S": b"SUB", b"U": b"UNSUB", b"C": b"CONNECT", b"I": b"INFO", b"-": b"-ERR", b"+": b"+OK"}
_BY_SECOND = {b"U": b"PUB", b"I": b"PING", b"O": b"PONG"}


def _size(digits: bytes) -> int:
    """A size as the protocol has it: one to nine decimal digits; -1 for anything else."""
    if len(digits) > 9 or not digits.isdigit():
        return -1
    return int(digits)


def _verb_of(start: bytes) -> bytes | None:
    """The only verb that these first bytes (upper case) can begin; None where there is none."""
    if start[:1] == b"P":
        return b"PUB" if len(start) == 1 else _BY_SECOND.get(start[1:2])
    return _BY_FIRST.get(start[:1])


def valid_literal(subject: bytes) -> bool:
    """Whether a subject has neither an empty nor a wildcard token, as pedantic connections want it."""
    tokens = subject.split(b".")
    return _EMPTY not in tokens and b"*" not in tokens and b">" not in tokens


class Inbound:
    """One connection's way in. `owner` applies the ops (see `natsd.protocol.ops`) and owns the socket."""

    __slots__ = (
        "_at",
        "_data",
        "_need",
        "_ops",
        "_parts",
        "_publish_check",
        "_told",
        "_verdicts",
        "_waiting",
        "closed",
        "echo",
        "first_ping",
        "gate",
        "headers",
        "in_bytes",
        "in_msgs",
        "last_ns",
        "max_payload",
        "no_responders",
        "outbound",
        "owner",
        "pedantic",
        "reply_check",
        "road",
        "sublist",
        "verbose",
    )

    def __init__(self, road: Road, outbound: Outbound, sublist: Sublist, owner: Any) -> None:
        self.road = road
        self.outbound = outbound
        self.sublist = sublist
        self.owner = owner
        self.gate = False
        self.verbose = True
        self.pedantic = True
        self.echo = True
        self.headers = False
        self.no_responders = False
        self.first_ping = True
        self.max_payload = -1
        self._told = False
        self._publish_check: Callable[[bytes], bool] | None = None
        # Asked again for every message that publish_check does not permit; None where nothing more is.
        self.reply_check: Callable[[bytes], bool] | None = None
        self.in_msgs = 0
        self.in_bytes = 0
        self.last_ns = 0  # when a message was last published, by the road's clock
        self.closed = False
        self._data = b""  # what is being scanned
        self._at = 0
        self._parts: list[bytes] = []  # what waits for more: the pieces of one frame or line
        self._waiting = 0  # their bytes
        self._need = 0  # bytes the frame has in all, once that is known
        self._ops: list[Op] = []
        self._verdicts: Verdicts | None = None

    @property
    def publish_check(self) -> Callable[[bytes], bool] | None:
        """The permission hook: asked once per subject, which is then remembered; None permits everything."""
        return self._publish_check

    @publish_check.setter
    def publish_check(self, value: Callable[[bytes], bool] | None) -> None:
        self._publish_check = value
        self._verdicts = None if value is None else Verdicts(value, self.road.seed)

    def forget_permissions(self) -> None:
        """Drop the cached verdicts of `publish_check`."""
        if self._verdicts is not None:
            self._verdicts.forget()

    def close(self) -> None:
        """Take nothing more; also in the middle of a batch of ops."""
        self.closed = True
        self._data = b""
        self._at = 0
        self._parts = []
        self._waiting = 0
        self._need = 0

    def on_readable(self, fd: int) -> None:
        """Read once from the socket and let the owner apply what was said."""
        if self.closed:
            return
        try:
            data = os.read(fd, READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.owner.on_broken(error.errno or errno.EIO)
            return
        if not data:
            self.owner.on_eof()
            return
        self.take_in(data)

    def take_in(self, data: bytes) -> None:
        """Scan bytes, have the owner apply the ops, settle the road."""
        road = self.road
        if road.busy:
            raise RuntimeError("bytes taken in while another connection's are")
        road.busy = True
        road.speaker = self.owner
        before = self.in_msgs
        try:
            ops = self.feed(data)
            while ops:
                self.owner.on_ops(ops)
                if self.closed:
                    break
                ops = self.resume()
        finally:
            road.busy = False
            road.speaker = None
        if self.in_msgs != before and road.clock is not None:
            self.last_ns = road.clock()
        road.settle()
        if road.congested and not self.closed:
            self.owner.on_stalled(list(road.congested))

    def feed(self, data: bytes) -> list[Op] | None:
        """Scan; returns ops that must be applied before `resume`, or None when all was taken."""
        if self.closed or not data:
            return None
        if self._waiting:
            self._parts.append(data)
            self._waiting += len(data)
            if self._waiting < self._need:
                # The frame's last byte but one is known to be CR: a payload shorter than declared ends here.
                if self._waiting == self._need - 1 and self._parts[-1][-1:] != b"\r":
                    self._bad(op.BAD_VERB, self._parts[-1][-1:])
                    ops, self._ops = self._ops, []
                    return ops
                return None
            data = b"".join(self._parts)
            self._parts = []
            self._waiting = 0
        self._need = 0
        self._data = bytes(data)
        self._at = 0
        return self.resume()

    def resume(self) -> list[Op] | None:
        """Go on after the ops were applied; as `feed` returns."""
        if self.closed:
            return None
        self._ops = []
        while self._step():
            pass
        ops, self._ops = self._ops, []
        return ops or None

    def _keep(self, start: int, need: int = 0) -> bool:
        """The rest waits for more bytes."""
        rest = self._data[start:]
        self._parts = [rest] if rest else []
        self._waiting = len(rest)
        self._need = need
        self._data = b""
        self._at = 0
        return False

    def _bad(self, kind: int, snippet: bytes) -> bool:
        self._ops.append((op.BAD, kind, snippet[: op.SNIPPET_BYTES]))
        self._data = b""
        self._at = 0
        self.closed = True
        return False

    def _step(self) -> bool:
        """Scan one thing; False when there is nothing more to scan for now."""
        data = self._data
        at = self._at
        if at >= len(data):
            return False
        first = data[at : at + 1]
        if self.gate and first not in (b"C", b"c"):
            if not self._ops:
                self._ops.append((op.EARLY,))
            return False
        if data[at : at + 4].upper() == b"PUB ":
            return self._publish(at, at + 4, False)
        start = data[at : at + 8].upper()
        verb = _verb_of(start)
        if verb is None or not verb.startswith(start[: len(verb)]):
            return self._bad(op.BAD_VERB, data[at:])
        if len(start) < len(verb):
            return self._keep(at)
        code = _VERBS[verb]
        after = at + len(verb)
        if code >= _PING:
            return self._bare(code, at, after)
        if code not in (_CONNECT, _INFO):
            if after >= len(data):
                return self._keep(at)
            if data[after] not in b" \t":
                return self._bad(op.BAD_VERB, data[at:])
        if code in (_PUB, _HPUB):
            return self._publish(at, after + 1, code == _HPUB)
        return self._line(code, at, after)

    def _bare(self, code: int, at: int, after: int) -> bool:
        # Whatever stands between such a verb and the newline is passed over, however long.
        end = self._data.find(b"\n", after)
        if end < 0:
            self._data = self._data[:after]
            return self._keep(at)
        if code == _PING:
            if self.first_ping:
                self._ops.append((op.PING,))
            elif self._ops:
                return False
            else:
                self.outbound.append(b"PONG\r\n")
        elif code == _PONG:
            self._ops.append((op.PONG,))
        self._trace(b"PING" if code == _PING else b"PONG" if code == _PONG else b"+OK")
        self._at = end + 1
        return True

    def _trace(self, line: bytes, payload: bytes | None = None) -> None:
        if self.road.trace is not None:
            self.road.trace.append((self.owner, b"<<-", line, payload))

    def _arguments(self, at: int, after: int) -> tuple[bytes, int] | None:
        """The argument bytes of a line and where the next one begins; None when it ended otherwise."""
        data = self._data
        while after < len(data) and data[after] in b" \t":
            after += 1
        end = data.find(b"\n", after)
        limit = self.road.max_control_line
        if end < 0:
            if len(data) - after > limit + (data[-1:] == b"\r"):
                self._bad(op.BAD_CONTROL_LINE, data[after:])
            elif after == len(data) and after - at > 16:
                self._data = data[: at + 9]  # a run of blanks need not be kept
                self._keep(at)
            else:
                self._keep(at)
            return None
        args = data[after:end]
        if args.endswith(b"\r"):
            args = args[:-1]
        if len(args) > limit:
            self._bad(op.BAD_CONTROL_LINE, args)
            return None
        return args, end + 1

    def _line(self, code: int, at: int, after: int) -> bool:
        found = self._arguments(at, after)
        if found is None:
            return False
        args, following = found
        if code == _CONNECT:
            self._ops.append((op.CONNECT, args))
            self._at = following
            return False  # it decides how the rest is read
        # Carriage returns are blanks here, as they are not in PUB; other white space is not.
        words = args.replace(b"\t", b" ").replace(b"\r", b" ").split(b" ") if code in (_SUB, _UNSUB) else []
        words = [word for word in words if word]
        if code == _SUB:
            self._trace(b"SUB " + args)
            if len(words) == 2:
                self._ops.append((op.SUB, words[0], None, words[1]))
            elif len(words) == 3:
                self._ops.append((op.SUB, words[0], words[1], words[2]))
            else:
                return self._bad(op.BAD_ARGS, args)
        elif code == _UNSUB:
            self._trace(b"UNSUB " + args)
            if len(words) == 1:
                self._ops.append((op.UNSUB, words[0], -1))
            elif len(words) == 2:
                self._ops.append((op.UNSUB, words[0], _size(words[1])))
            else:
                return self._bad(op.BAD_ARGS, args)
        else:
            self._ops.append((op.INFO if code == _INFO else op.ERR, args))
        self._at = following
        return True

    def _publish(self, at: int, after: int, with_header: bool) -> bool:
        if self._ops:
            return False
        found = self._arguments(at, after)
        if found is None:
            return False
        args, body = found
        if with_header and not self.headers:
            return self._bad(op.BAD_HEADERS_OFF, args)
        words = args.split(b" ")
        if _EMPTY in words or b"\t" in args:
            words = [word for word in args.replace(b"\t", b" ").split(b" ") if word]
        count = len(words) - with_header
        if count != 2 and count != 3:
            return self._bad(op.BAD_ARGS, args)
        size = _size(words[-1])
        header_size = _size(words[-2]) if with_header else 0
        if size < 0 or header_size < 0 or header_size > size:
            return self._bad(op.BAD_ARGS, args)
        max_payload = self.road.max_payload if self.max_payload < 0 else self.max_payload
        if size > max_payload:
            return self._bad(op.BAD_MAX_PAYLOAD, b"%d" % size)
        data = self._data
        end = body + size
        if end + 2 > len(data):
            if len(data) > end and data[end] != 13:
                return self._bad(op.BAD_VERB, data[end:])
            return self._keep(at, end + 2 - at)
        if data[end : end + 2] != b"\r\n":
            return self._bad(op.BAD_VERB, data[end:])
        if self.pedantic and not self._told and not valid_literal(words[0]):
            # The connection is told first, and the message scanned once more afterwards.
            self._told = True
            self._ops.append((op.PEDANTIC, words[0]))
            return False
        self._told = False
        self._at = end + 2
        reply = words[1] if count == 3 else None
        header = data[body : body + header_size] if header_size else None
        self._trace((b"HPUB " if with_header else b"PUB ") + args, data[body:end])
        self._message(
            words[0], reply, header, data[body + header_size : end], b" ".join(words[-2:] if header else words[-1:])
        )
        return not self._ops

    def _message(self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes, sizes: bytes) -> None:
        road = self.road
        size = len(payload) + (len(header) if header else 0)
        self.in_msgs += 1
        self.in_bytes += size
        road.in_msgs += 1
        road.in_bytes += size
        sublist = self.sublist
        found = None
        if sublist.mapper is not None:
            # What is allowed and what is told is about the subject that others see.
            found = sublist.look_up(subject)
            subject = found[2]
        if subject[:1] in b"$_" and _reserved(subject, road.reserved_subjects):
            self._ops.append((op.DENIED, subject))
            return
        if self._verdicts is not None and not self._verdicts.allows(subject):
            if self.reply_check is None or not self.reply_check(subject):
                self._ops.append((op.DENIED, subject))
                return
        if reply is not None and reply[:1] in b"$_" and _reserved(reply, road.reserved_replies):
            self._ops.append((op.DENIED_REPLY, reply))
            return
        if self.verbose:
            self.outbound.append(b"+OK\r\n")
        if found is None:
            found = sublist.look_up(subject)
        delivered = 0
        if found[0] or found[1]:
            skip = None if self.echo else self.outbound
            delivered = sublist.deliver(found, reply, header, payload, sizes, skip)
        if not delivered and reply is not None and self.no_responders:
            self._no_responders(subject, reply)

    def _no_responders(self, subject: bytes, reply: bytes) -> None:
        for sub in self.sublist.match(reply)[0]:
            if sub.outbound is self.outbound and (sub.filter is None or sub.filter.allows(reply)):
                header = b"NATS/1.0 503\r\nNats-Subject: %b\r\n\r\n" % subject
                size = len(header)
                self.outbound.append(b"HMSG %b %b %d %d\r\n%b\r\n" % (reply, sub.sid, size, size, header))
                return


def _reserved(subject: bytes, prefixes: tuple[bytes, ...]) -> bool:
    """Whether a subject begins with one of the prefixes; one that ends in `?` wants at least one byte more."""
    return any(len(subject) >= len(prefix) and subject.startswith(prefix.removesuffix(b"?")) for prefix in prefixes)
