"""DIRECT.GET: messages as they are, with their place in the stream as headers, instead of JSON.

Statuses: 404 nothing found, 408 the request makes no sense, 413 too many, 204 the end of a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.whole import whole_of
from natsd.jetstream import headers
from natsd.jetstream.api.message_api import GetRequest, date_in, find, find_last
from natsd.jetstream.api.request_json import decode
from natsd.jetstream.dates import render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.headers import asks_for_more
from natsd.jetstream.turns import Requests
from natsd.kernel import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

    from natsd.jetstream.streams.stream import Stream
    from natsd.store.contract import Message

    Delivered = tuple[bytes, bytes | None, bytes | None, bytes]

GROUP = b"_sys_"
MOST_RESULTS = 1024
MOST_BYTES = 64 << 20
SUBJECTS = 2048
"""How many are looked at between two yields."""
EMPTY = headers.status(408, b"Empty Request")
MALFORMED = headers.status(408, b"Malformed Request")
BAD = headers.status(408, b"Bad Request")
NOT_FOUND = headers.status(404, b"Message Not Found")
NO_RESULTS = headers.status(404, b"No Results")
NEEDS_MORE = headers.status(412, b"Required Api Level")
TOO_MANY = headers.status(413, b"Too Many Results")


class Direct:
    """Answers for one stream, and for the stream that it mirrors where it is told to."""

    __slots__ = ("_prefixes", "_stream", "_subs")

    def __init__(self, stream: Stream) -> None:
        self._stream = whole_of(stream)
        self._subs: list[Subscription] = []
        self._prefixes: list[bytes] = []

    def start(self) -> None:
        """Subscribe as the configuration says; once more after it has changed."""
        self.stop()
        stream = self._stream()
        config, home = stream.config, stream.home
        names = [config.name] if config.allow_direct else []
        if config.mirror is not None and config.mirror_direct:
            names.append(config.mirror.name)
        domain = [b"$JS.%b.API." % home.domain.encode()] if home.domain else []
        for api in [b"$JS.API.", *domain]:
            for name in names:
                prefix = b"%bDIRECT.GET.%b" % (api, name.encode())
                self._prefixes.append(prefix)
                for subject in (prefix, prefix + b".>"):
                    # Of a stream and its mirrors one answers.
                    sub = Subscription(subject, b"", GROUP, None, self.take)
                    home.sublist.insert(sub)
                    self._subs.append(sub)

    def stop(self) -> None:
        """Subscribe no more."""
        sublist = self._stream().home.sublist
        for sub in self._subs:
            sublist.remove(sub)
        self._subs.clear()
        self._prefixes.clear()

    def take(self, batch: list[Delivered]) -> None:
        """Answer the requests of one read."""
        stream = self._stream()
        if stream:
            turns = stream.home.jetstream.turns
            turns.take(stream.home.sublist.road, Requests(self, turns.is_over).answer, batch)

    @property
    def is_open(self) -> bool:
        """Whether there is a stream: the sublist may know the subscriptions for longer."""
        stream = self._stream()
        return bool(stream) and not stream.closed

    def answer_one(
        self, subject: bytes, reply: bytes | None, header: bytes | None, payload: bytes
    ) -> Iterator[None] | None:
        """Answer a request; what takes long is done by whoever goes through the steps that are returned."""
        stream = self._stream()
        if not reply:
            return None
        if header is not None and asks_for_more(header, stream.home.jetstream.api_level):
            _say(stream, reply, NEEDS_MORE)
            return None
        key = self._key_of(subject)
        if not key:
            return _get(stream, reply, payload)
        _get_last(stream, reply, key, payload)
        return None

    def _key_of(self, subject: bytes) -> bytes:
        for prefix in self._prefixes:
            if subject.startswith(prefix) and subject[len(prefix) : len(prefix) + 1] in (b"", b"."):
                return subject[len(prefix) + 1 :]
        return b""


def _get(stream: Stream, reply: bytes, payload: bytes) -> Iterator[None] | None:
    """Answer by one message or a batch of them, which may take steps."""
    if not payload:
        _say(stream, reply, EMPTY)
        return None
    try:
        body = decode(payload, GetRequest, strict=False)
        start_ns = date_in(body.start_time) if body.start_time is not None else None
        end_ns = date_in(body.up_to_time) if body.up_to_time is not None else None
    except ApiError:
        _say(stream, reply, MALFORMED)
        return None
    by_time = start_ns is not None
    if not (body.seq or body.last_by_subj or body.next_by_subj or body.multi_last or by_time):
        _say(stream, reply, EMPTY)
    elif (
        (body.seq and (body.last_by_subj or by_time))
        or (body.last_by_subj and (by_time or body.next_by_subj or body.batch > 0 or body.multi_last))
        or (body.next_by_subj and body.multi_last)
        or (body.up_to_seq and end_ns is not None)
    ):
        _say(stream, reply, BAD)
    elif body.multi_last:
        return _get_last_of_each(stream, reply, body, end_ns)
    else:
        seq = body.seq if start_ns is None else stream.store.seq_at(start_ns)
        if body.batch:
            _get_batch(stream, reply, body, seq)
        else:
            _give(stream, reply, find(stream, seq, body.last_by_subj, body.next_by_subj), body.no_hdr)
    return None


def _say(stream: Stream, reply: bytes, status: bytes) -> None:
    stream.home.publish(reply, None, status, b"")


def _get_last(stream: Stream, reply: bytes, key: bytes, payload: bytes) -> None:
    """The last message of the subject that stands in the request's own."""
    no_header = False
    if payload:
        try:
            body = decode(payload, GetRequest, strict=False)
        except ApiError:
            _say(stream, reply, MALFORMED)
            return
        no_header = body.no_hdr
        body.no_hdr = False
        if body != GetRequest(max_bytes=body.max_bytes):
            _say(stream, reply, BAD)
            return
    _give(stream, reply, find_last(stream, key), no_header)


def _give(stream: Stream, reply: bytes, message: Message | None, no_header: bool) -> None:
    if message is None:
        _say(stream, reply, NOT_FOUND)
        return
    header = None if no_header else _place(stream, message)
    stream.home.publish(reply, None, header, message[3])


def _place(stream: Stream, message: Message, more: bytes = b"") -> bytes:
    """The headers of a message and where it lies."""
    seq, subject, header, _, time_ns = message
    head = header[:-2] if header else headers.LINE
    return b"%bNats-Stream: %b\r\nNats-Subject: %b\r\nNats-Sequence: %d\r\nNats-Time-Stamp: %b\r\n%b\r\n" % (
        head,
        stream.name.encode(),
        subject,
        seq,
        render_date(time_ns).encode(),
        more,
    )


def _of_batch(pending: int, last: int) -> bytes:
    return b"Nats-Num-Pending: %d\r\nNats-Last-Sequence: %d\r\n" % (pending, last)


def _get_batch(stream: Stream, reply: bytes, body: GetRequest, seq: int) -> None:
    store, visible, publish = stream.store, stream.visible_seq, stream.home.publish
    filters = [body.next_by_subj.encode()] if body.next_by_subj else []
    pending = store.count(filters, max(seq, 1))
    last = sent_bytes = 0
    most_bytes = body.max_bytes or MOST_BYTES
    for sent in range(body.batch):
        message = store.next_match(max(seq, 1), filters, visible)
        if message is None:
            if not sent:
                _say(stream, reply, NOT_FOUND)
                return
            break
        pending = max(pending - 1, 0)
        header = None if body.no_hdr else _place(stream, message, _of_batch(pending, last))
        publish(reply, None, header, message[3])
        last = message[0]
        seq = last + 1
        sent_bytes += _size(message)
        if sent_bytes >= most_bytes:
            break
    publish(reply, None, b"NATS/1.0 204 EOB\r\n%b\r\n" % _of_batch(pending, last), b"")


def _size(message: Message) -> int:
    return len(message[1]) + len(message[2] or b"") + len(message[3])


def _get_last_of_each(stream: Stream, reply: bytes, body: GetRequest, end_ns: int | None) -> Iterator[None]:
    store, publish = stream.store, stream.home.publish
    upto = body.up_to_seq
    if end_ns is not None:
        upto = store.seq_at(end_ns)
        if upto <= store.first_seq:
            _say(stream, reply, NO_RESULTS)
            return
        upto -= 1
    upto = min(upto or stream.visible_seq, stream.visible_seq)
    search = store.search([subject.encode() for subject in body.multi_last])
    seqs: list[int] = []
    anything = False
    while not search.done:
        found = search.lasts(SUBJECTS, upto)
        anything = anything or bool(found)
        seqs += [seq for seq in found if seq >= body.seq]
        if len(seqs) > MOST_RESULTS:
            _say(stream, reply, TOO_MANY)
            return
        if not search.done:
            yield
    if not anything:
        _say(stream, reply, NO_RESULTS)
        return
    seqs.sort()
    last = sent_bytes = 0
    most = min(body.batch if body.batch > 0 else len(seqs), len(seqs))
    most_bytes = body.max_bytes or MOST_BYTES
    pending = len(seqs)
    for message in store.load_many(seqs[:most]):
        pending -= 1
        publish(reply, None, _place(stream, message, _of_batch(pending, last)), message[3])
        last = message[0]
        sent_bytes += _size(message)
        if sent_bytes >= most_bytes:
            break
    end = b"NATS/1.0 204 EOB\r\n%bNats-UpTo-Sequence: %d\r\n\r\n" % (_of_batch(pending, last), upto)
    publish(reply, None, end, b"")
