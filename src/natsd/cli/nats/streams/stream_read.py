"""Reading the messages of a stream in order: with a consumer of our own, or one by one where a stream forbids that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.client.headers import parse_headers
from natsd.client.jetstream import MESSAGE_NOT_FOUND, ApiError
from natsd.client.pulling import Ordered
from natsd.client.stored import payload_of, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from natsd.client.jetstream import JetStream

    Answer = dict[str, Any]
    Pairs = list[tuple[str, str]]


class Stored:
    """A stored message. `pending` is how many of those asked for come after it, -1 where that is not known."""

    __slots__ = ("header", "payload", "pending", "sequence", "stream", "subject", "time_ns")

    def __init__(
        self,
        stream: str,
        subject: str,
        sequence: int,
        time_ns: int,
        header: bytes | None,
        payload: bytes,
        pending: int = -1,
    ) -> None:
        self.stream = stream
        self.subject = subject
        self.sequence = sequence
        self.time_ns = time_ns
        self.header = header
        self.payload = payload
        self.pending = pending

    @property
    def headers(self) -> Pairs:
        return parse_headers(self.header)[2]


def stored_of(stream: str, message: Answer) -> Stored:
    """A message as STREAM.MSG.GET gives it."""
    payload, header = payload_of(message)
    at = time_of(str(message.get("time", "")))
    return Stored(stream, str(message.get("subject", "")), int(message.get("seq") or 0), at, header, payload)


def read_stream(
    js: JetStream,
    info: Answer,
    pattern: str = "",
    start: int = 0,
    start_time: str = "",
    batch: int = 500,
    headers_only: bool = False,
) -> Iterator[Stored]:
    """The messages of a stream as they are now, from a number or a time on, up to the end.

    headers_only: payloads do not matter.
    """
    name = info["config"]["name"]
    if info["config"].get("retention", "limits") != "limits":
        yield from read_one_by_one(js, name, pattern or ">", start, time_of(start_time))
        return
    config: Answer = {"headers_only": True} if headers_only else {}
    if pattern:
        config["filter_subject"] = pattern
    if start_time:
        config |= {"deliver_policy": "by_start_time", "opt_start_time": start_time}
    elif start:
        config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": start}
    reader = Ordered(js, name, config, batch)
    try:
        left = reader.pending
        while left:
            found = reader.next(js.timeout_s)
            if found is None:
                return
            message, meta = found
            left = min(left - 1, meta.pending)
            yield Stored(name, message.subject, meta.stream_seq, meta.time_ns, message.header, message.payload, left)
    finally:
        reader.close()


def read_one_by_one(js: JetStream, name: str, pattern: str, start: int, start_ns: int = 0) -> Iterator[Stored]:
    """The same without a consumer, which would count as interest, or take messages away from others."""
    sequence = max(1, start)
    while True:
        try:
            message = stored_of(name, js.get_message(name, seq=sequence, next_by_subj=pattern))
        except ApiError as problem:
            if problem.err_code == MESSAGE_NOT_FOUND:
                return
            raise
        if message.time_ns >= start_ns:
            yield message
        sequence = message.sequence + 1


def read_last_of_each(js: JetStream, name: str, pattern: str) -> list[Stored]:
    """The last message of each subject, in their order, without a consumer."""
    found = [_last_of(js, name, subject) for subject in js.subjects(name, pattern)]
    return sorted((item for item in found if item is not None), key=lambda item: item.sequence)


def last_sequence(js: JetStream, name: str, pattern: str) -> int:
    """The number of the last message whose subject fits, 0 where there is none."""
    last = _last_of(js, name, pattern)
    return 0 if last is None else last.sequence


def _last_of(js: JetStream, name: str, subject: str) -> Stored | None:
    try:
        return stored_of(name, js.get_message(name, last_by_subj=subject))
    except ApiError as problem:
        if problem.err_code == MESSAGE_NOT_FOUND:
            return None
        raise
