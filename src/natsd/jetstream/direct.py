"""DIRECT.GET: messages as they are, with their place in the stream as headers, instead of JSON.

Statuses: 404 nothing found, 408 the request makes no sense, 413 too many, 204 the end of a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.jetstream import headers
from natsd.jetstream.dates import render_date
from natsd.jetstream.errors import ApiError
from natsd.jetstream.message_api import GetRequest, date_in, find
from natsd.jetstream.request import Route

if TYPE_CHECKING:
    from natsd.jetstream.request import ApiRequest
    from natsd.jetstream.stream import Stream
    from natsd.store.contract import Message

MOST_RESULTS = 1024
MOST_BYTES = 64 << 20
EMPTY = headers.status(408, b"Empty Request")
MALFORMED = headers.status(408, b"Malformed Request")
BAD = headers.status(408, b"Bad Request")
NOT_FOUND = headers.status(404, b"Message Not Found")
NO_RESULTS = headers.status(404, b"No Results")
TOO_MANY = headers.status(413, b"Too Many Results")


def get(request: ApiRequest) -> None:
    """Answer by one message or a batch of them."""
    stream = _stream(request)
    if not request.reply:
        return
    if len(request.tokens) > 1:
        _get_last(request, stream)
        return
    if not request.payload:
        _say(request, EMPTY)
        return
    try:
        body = request.decode(GetRequest)
        start_ns = date_in(body.start_time) if body.start_time is not None else None
        end_ns = date_in(body.up_to_time) if body.up_to_time is not None else None
    except ApiError:
        _say(request, MALFORMED)
        return
    by_time = start_ns is not None
    if not (body.seq or body.last_by_subj or body.next_by_subj or body.multi_last or by_time):
        _say(request, EMPTY)
    elif (
        (body.seq and (body.last_by_subj or by_time))
        or (body.last_by_subj and (by_time or body.next_by_subj or body.batch > 0 or body.multi_last))
        or (body.next_by_subj and body.multi_last)
        or (body.up_to_seq and end_ns is not None)
    ):
        _say(request, BAD)
    elif body.multi_last:
        _get_last_of_each(request, stream, body, end_ns)
    else:
        seq = body.seq if start_ns is None else stream.store.seq_at(start_ns)
        if body.batch > 0:
            _get_batch(request, stream, body, seq)
        else:
            _give(request, stream, find(stream, seq, body.last_by_subj, body.next_by_subj), body.no_hdr)


def _stream(request: ApiRequest) -> Stream:
    """The stream, or a mirror that answers in its place. Raises ApiError, as any request that nobody knows."""
    name, streams = request.tokens[0], request.home.streams
    stream = streams.get(name)
    if stream is not None and stream.config.allow_direct:
        return stream
    for other in streams.values():
        mirror = other.config.mirror
        if mirror is not None and mirror.name == name and other.config.mirror_direct:
            return other
    raise ApiError("BAD_REQUEST")


def _say(request: ApiRequest, status: bytes) -> None:
    assert request.reply is not None
    request.home.publish(request.reply, None, status, b"")


def _get_last(request: ApiRequest, stream: Stream) -> None:
    """The last message of the subject that stands in the request's own."""
    no_header = False
    if request.payload:
        try:
            body = request.decode(GetRequest)
        except ApiError:
            _say(request, MALFORMED)
            return
        no_header = body.no_hdr
        body.no_hdr = False
        if body != GetRequest(max_bytes=body.max_bytes):
            _say(request, BAD)
            return
    _give(request, stream, find(stream, 0, ".".join(request.tokens[1:]), ""), no_header)


def _give(request: ApiRequest, stream: Stream, message: Message | None, no_header: bool) -> None:
    if message is None:
        _say(request, NOT_FOUND)
        return
    assert request.reply is not None
    header = None if no_header else _place(stream, message)
    request.home.publish(request.reply, None, header, message[3])


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


def _get_batch(request: ApiRequest, stream: Stream, body: GetRequest, seq: int) -> None:
    store, visible, publish = stream.store, stream.visible_seq, request.home.publish
    reply = request.reply
    assert reply is not None
    filters = [body.next_by_subj.encode()] if body.next_by_subj else []
    pending = store.count(filters, max(seq, 1))
    last = sent_bytes = 0
    most_bytes = body.max_bytes if body.max_bytes > 0 else MOST_BYTES
    for sent in range(body.batch):
        message = store.next_match(max(seq, 1), filters, visible)
        if message is None:
            if not sent:
                _say(request, NOT_FOUND)
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


def _get_last_of_each(request: ApiRequest, stream: Stream, body: GetRequest, end_ns: int | None) -> None:
    store, publish = stream.store, request.home.publish
    reply = request.reply
    assert reply is not None
    upto = body.up_to_seq
    if end_ns is not None:
        upto = store.seq_at(end_ns)
        if upto <= store.first_seq:
            _say(request, NO_RESULTS)
            return
        upto -= 1
    upto = min(upto or stream.visible_seq, stream.visible_seq)
    filters = [subject.encode() for subject in body.multi_last]
    seqs = [seq for seq in store.last_of_each(filters, upto) if seq >= body.seq]
    if len(seqs) > MOST_RESULTS:
        _say(request, TOO_MANY)
        return
    if not seqs:
        _say(request, NO_RESULTS)
        return
    last = sent_bytes = 0
    most = min(body.batch if body.batch > 0 else len(seqs), len(seqs))
    most_bytes = body.max_bytes if body.max_bytes > 0 else MOST_BYTES
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


ROUTES = (
    Route("DIRECT.GET.*", get, "", audited=False),
    Route("DIRECT.GET.*.>", get, "", audited=False),
)
