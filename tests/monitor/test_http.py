"""The HTTP listener: requests in any split, answers in pieces, and its limits, on a transport made of bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from natsd.base.clock import HandClock
from natsd.base.log import Log
from natsd.monitor import http
from natsd.monitor.http import Listener, Page, Visitor, note
from natsd.monitor.query import BadQuery, Query
from tests.ports import HeldPort

WALL_NS = 1_700_000_000_000_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


class Transport:
    """What was written, and how the connection was ended. With `room` it is full after that many bytes."""

    def __init__(self, visitor: Visitor, room: int = 1 << 30) -> None:
        self.visitor = visitor
        self.room = room
        self.written = bytearray()
        self.reading = True
        self.closing = False
        self.aborted = False
        self.full = False

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == http.HIGH_WATER_BYTES

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.written += data
        if len(self.written) > self.room and not self.full:
            self.full = True
            self.visitor.pause_writing()

    def drain(self) -> None:
        self.room = len(self.written) + 1000
        self.full = False
        self.visitor.resume_writing()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True
        self.visitor.connection_lost(None)


class Lines:
    def __init__(self) -> None:
        self.text = ""

    def write(self, line: bytes) -> None:
        self.text += line.decode()

    def close(self) -> None:
        pass


class Stage:
    """A listener with a few pages, its clock and its log."""

    def __init__(self) -> None:
        self.clock = HandClock(WALL_NS)
        self.lines = Lines()
        self.listener = Listener(self.find, Log(self.lines, self.clock.wall_ns, logtime=False), self.clock)
        self.asked: list[tuple[str, Query]] = []

    def find(self, path: str, query: Query) -> Page | None:
        self.asked.append((path, query))
        if path == "/short":
            return Page(200, "application/json", iter(("{", "}")), (("X-Kind", "short"),))
        if path == "/long":
            return Page(200, "application/json", (f"[{number:09d}]" for number in range(20_000)))
        if path == "/bad":
            raise BadQuery("no such option")
        if path == "/broken":
            raise RuntimeError("broken\npage")
        if path == "/breaks":
            return Page(200, "text/plain", self.breaks(1))
        if path == "/breaks-late":
            return Page(200, "text/plain", self.breaks(100))
        return None

    @staticmethod
    def breaks(after: int) -> Iterator[str]:
        for _ in range(after):
            yield "x" * 1000
        raise RuntimeError("broken row")

    def visit(self, room: int = 1 << 30) -> Transport:
        visitor = Visitor(self.listener)
        transport = Transport(visitor, room)
        visitor.connection_made(transport)  # type: ignore[arg-type]
        return transport


async def turns(number: int = 400) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def staged(play: Callable[[Stage], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def test() -> None:
        asyncio.run(play(Stage()))

    test.__name__ = play.__name__
    return test


SHORT = (
    "HTTP/1.1 200 OK\r\nX-Kind: short\r\nContent-Type: application/json\r\n"
    f"Date: {DATE}\r\nContent-Length: 2\r\n\r\n{{}}"
).encode()


def unchunked(data: bytes) -> bytes:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body += data[:length]
        assert data[length : length + 2] == b"\r\n"
        data = data[length + 2 :]
        if not length:
            assert not data
            return body


@staged
async def test_a_short_page_has_its_length_and_the_connection_stays(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n")
    assert bytes(visit.written) == SHORT
    assert not visit.closing


@staged
async def test_a_request_may_come_in_any_split(stage: Stage) -> None:
    request = b"\r\n\r\nGET /short?a=1&a=2&b=%20c+d HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"
    for at in range(1, len(request)):
        visit = stage.visit()
        visit.visitor.data_received(request[:at])
        visit.visitor.data_received(request[at:])
        assert bytes(visit.written) == SHORT
    visit = stage.visit()
    for byte in request:
        visit.visitor.data_received(bytes((byte,)))
    assert bytes(visit.written) == SHORT
    path, query = stage.asked[-1]
    assert (path, query.text("a"), query.text("b")) == ("/short", "1", " c d")


@staged
async def test_lines_may_end_in_a_bare_newline(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /short HTTP/1.1\nHost: x\n\n")
    assert bytes(visit.written) == SHORT


@staged
async def test_requests_sent_ahead_are_answered_in_order(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(
        b"GET /short HTTP/1.1\r\n\r\n" * 3 + b"GET /long HTTP/1.1\r\n\r\nGET /nope HTTP/1.1\r\n\r\n"
    )
    await turns()
    assert bytes(visit.written).startswith(SHORT * 3)
    assert [path for path, _ in stage.asked] == ["/short"] * 3 + ["/long", "/nope"]
    assert bytes(visit.written).endswith(b"404 page not found\n")


@staged
async def test_a_head_request_gets_the_headers_only(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"HEAD /short HTTP/1.1\r\n\r\nHEAD /long HTTP/1.1\r\n\r\nGET /short HTTP/1.1\r\n\r\n")
    await turns()
    assert bytes(visit.written).startswith(SHORT[:-2] + b"HTTP/1.1 200 OK\r\n")
    assert bytes(visit.written).endswith(b"Transfer-Encoding: chunked\r\n\r\n" + SHORT)


@staged
async def test_a_long_page_goes_out_in_chunks(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /long HTTP/1.1\r\n\r\n")
    assert len(visit.written) < 2 * http.WHOLE_BYTES
    await turns()
    head, _, rest = bytes(visit.written).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head and b"Content-Length" not in head
    assert unchunked(rest) == b"".join(b"[%09d]" % number for number in range(20_000))
    assert not visit.closing


@staged
async def test_an_old_client_gets_a_long_page_whole_and_then_the_end(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /long HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    await turns()
    head, _, body = bytes(visit.written).partition(b"\r\n\r\n")
    assert b"Connection: close" in head and b"Transfer-Encoding" not in head
    assert len(body) == 20_000 * 11
    assert visit.closing and not visit.aborted


@pytest.mark.parametrize(
    ("request_head", "stays"),
    [
        (b"GET /short HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET /short HTTP/1.1\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"GET /short HTTP/1.0\r\n\r\n", False),
        (b"GET /short HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET /short HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", False),
        (b"GET /short HTTP/1.1\r\nContent-Length: 0\r\n\r\n", True),
        (b"GET /short HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", False),
    ],
)
def test_whether_the_connection_stays_is_agreed(request_head: bytes, stays: bool) -> None:
    async def play() -> None:
        visit = Stage().visit()
        visit.visitor.data_received(request_head)
        await turns(5)
        assert visit.closing is not stays
        assert (b"Connection: close" in visit.written) is not stays
        assert visit.written.count(b"HTTP/1.1 200") == 1

    asyncio.run(play())


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"POST /short HTTP/1.1", b"405 Method Not Allowed"),
        (b"GET /short", b"400 Bad Request"),
        (b"GET /short HTTP/2.0", b"400 Bad Request"),
        (b"nonsense", b"400 Bad Request"),
        (b"GET /sh ort HTTP/1.1", b"400 Bad Request"),
        (b"GET /%ff HTTP/1.1", b"400 Bad Request"),
        (b"GET http://[x/short HTTP/1.1", b"400 Bad Request"),
        (b"GET /short?" + b"&".join(b"a" for _ in range(200)) + b" HTTP/1.1", b"400 Bad Request"),
        (b"GET /nope HTTP/1.1", b"404 Not Found"),
        (b"GET /SHORT HTTP/1.1", b"404 Not Found"),
        (b"GET /short/ HTTP/1.1", b"404 Not Found"),
        (b"GET * HTTP/1.1", b"404 Not Found"),
        (b"GET /bad HTTP/1.1", b"400 Bad Request"),
        (b"GET /broken HTTP/1.1", b"500 Internal Server Error"),
        (b"GET /breaks HTTP/1.1", b"500 Internal Server Error"),
        (b"GET http://host:8222/short HTTP/1.1", b"200 OK"),
        (b"GET /%73hort HTTP/1.1", b"200 OK"),
    ],
)
def test_every_request_gets_its_status(request_line: bytes, status: bytes) -> None:
    async def play() -> None:
        visit = Stage().visit()
        visit.visitor.data_received(request_line + b"\r\n\r\n")
        assert visit.written.startswith(b"HTTP/1.1 " + status + b"\r\n")

    asyncio.run(play())


@pytest.mark.parametrize(
    ("target", "location"),
    [("//short", "/short"), ("/a/../short?x=1", "/short?x=1"), ("/./short/", "/short/"), ("//evil.example/..", "/")],
)
def test_a_crooked_path_is_sent_to_the_straight_one(target: str, location: str) -> None:
    async def play() -> None:
        visit = Stage().visit()
        visit.visitor.data_received(f"GET {target} HTTP/1.1\r\n\r\n".encode())
        assert visit.written.startswith(b"HTTP/1.1 301 Moved Permanently\r\n")
        assert f"\r\nLocation: {location}\r\n".encode() in visit.written

    asyncio.run(play())


@staged
async def test_a_path_cannot_write_headers(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET //a%0d%0aSet-Cookie:x HTTP/1.1\r\n\r\n")
    assert b"Set-Cookie" not in visit.written


@staged
async def test_a_broken_page_is_logged_on_one_line(stage: Stage) -> None:
    stage.visit().visitor.data_received(b"GET /broken HTTP/1.1\r\n\r\n")
    assert stage.lines.text == "[ERR] Error building a monitoring page: RuntimeError('broken\\npage')\n"


@staged
async def test_a_page_that_breaks_half_way_is_broken_off(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /breaks-late HTTP/1.1\r\n\r\n")
    await turns()
    assert visit.aborted and not visit.written.endswith(b"0\r\n\r\n")
    assert "broken row" in stage.lines.text


@staged
async def test_a_head_that_is_too_long_is_refused(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /short HTTP/1.1\r\nX: ")
    while not visit.written:
        visit.visitor.data_received(b"x" * 1000)
        assert len(visit.visitor._head) < http.MAX_HEAD_BYTES + 2000
    assert visit.written.startswith(b"HTTP/1.1 431 ")
    assert visit.closing


@staged
async def test_a_long_head_that_comes_whole_is_refused_too(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /short HTTP/1.1\r\nX: " + b"x" * http.MAX_HEAD_BYTES + b"\r\n\r\n")
    assert visit.written.startswith(b"HTTP/1.1 431 ")


@staged
async def test_who_reads_slowly_is_sent_to_slowly(stage: Stage) -> None:
    visit = stage.visit(room=1000)
    visit.visitor.data_received(b"GET /long HTTP/1.1\r\n\r\n")
    await turns()
    sent = len(visit.written)
    assert sent < 2 * http.WHOLE_BYTES
    while not visit.written.endswith(b"0\r\n\r\n"):
        before = len(visit.written)
        visit.drain()
        await turns(3)
        assert 0 < len(visit.written) - before < 10_000
    assert unchunked(bytes(visit.written).partition(b"\r\n\r\n")[2]).endswith(b"[000019999]")


@staged
async def test_who_sends_ahead_without_reading_has_to_wait(stage: Stage) -> None:
    visit = stage.visit(room=10)
    visit.visitor.data_received(b"GET /short HTTP/1.1\r\n\r\n" * 5)
    await turns(5)
    assert visit.written.count(b"200 OK") == 1
    while visit.reading:
        visit.visitor.data_received(b"GET /short HTTP/1.1\r\n\r\n" * 100)
    visit.drain()
    await turns(5)
    assert not visit.reading
    visit.drain()
    visit.room = 1 << 30
    await turns(5000)
    assert visit.reading
    assert visit.written.count(b"200 OK") == len(stage.asked) > 1000


@staged
async def test_too_many_visitors_are_told_to_come_back(stage: Stage) -> None:
    visits = [stage.visit() for _ in range(http.MAX_VISITORS)]
    for visit in visits:
        visit.visitor.data_received(b"GET /")
    late = stage.visit()
    assert late.written.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert late.closing
    assert not any(visit.closing for visit in visits)
    assert len(stage.listener.visitors) == http.MAX_VISITORS


@staged
async def test_a_new_visitor_takes_the_place_of_the_one_idle_longest(stage: Stage) -> None:
    visits = []
    for _ in range(http.MAX_VISITORS):
        visit = stage.visit()
        visit.visitor.data_received(b"GET /short HTTP/1.1\r\n\r\n")
        visits.append(visit)
        stage.clock.move(0.001)
    visits[0].visitor.data_received(b"GET /short HTTP/1.1\r\n\r\n")
    late = stage.visit()
    late.visitor.data_received(b"GET /short HTTP/1.1\r\n\r\n")
    assert bytes(late.written) == SHORT
    assert [visit.aborted for visit in visits[:3]] == [False, True, False]


@pytest.mark.parametrize(
    ("sent", "stays_s", "ends_s"),
    [
        (b"", 4.9, 5.1),
        (b"GET /sho", 4.9, 5.1),
        (b"GET /short HTTP/1.1\r\n\r\n", 59.9, 60.1),
        (b"GET /short HTTP/1.1\r\n\r\nGET /", 4.9, 5.1),
    ],
)
def test_who_says_nothing_is_cut_off(sent: bytes, stays_s: float, ends_s: float) -> None:
    async def play() -> None:
        stage = Stage()
        visit = stage.visit()
        visit.visitor.data_received(sent)
        await turns(5)
        stage.clock.move(stays_s)
        stage.listener._look_at_timeouts()
        assert not visit.aborted
        stage.clock.move(ends_s - stays_s)
        stage.listener._look_at_timeouts()
        assert visit.aborted and not stage.listener.visitors
        stage.listener.stop()

    asyncio.run(play())


@staged
async def test_a_head_that_dribbles_in_does_not_buy_time(stage: Stage) -> None:
    visit = stage.visit()
    for byte in b"GET /s":
        visit.visitor.data_received(bytes((byte,)))
        stage.clock.move(0.9)
    stage.listener._look_at_timeouts()
    stage.listener.stop()
    assert visit.aborted


@staged
async def test_who_never_reads_is_cut_off(stage: Stage) -> None:
    visit = stage.visit(room=10)
    visit.visitor.data_received(b"GET /long HTTP/1.1\r\n\r\n")
    await turns(5)
    stage.clock.move(http.WRITE_TIMEOUT_S)
    stage.listener._look_at_timeouts()
    stage.listener.stop()
    assert visit.aborted


@staged
async def test_a_visitor_may_stop_sending_before_it_has_read_all(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /long HTTP/1.1\r\n\r\n")
    assert visit.visitor.eof_received()
    await turns()
    assert visit.written.endswith(b"0\r\n\r\n") and visit.closing
    assert not stage.visit().visitor.eof_received()


@staged
async def test_a_visitor_that_leaves_is_forgotten(stage: Stage) -> None:
    visit = stage.visit()
    visit.visitor.data_received(b"GET /long HTTP/1.1\r\n\r\n")
    visit.visitor.connection_lost(None)
    await turns(5)
    visit.visitor.data_received(b"x")
    assert not stage.listener.visitors


@staged
async def test_the_listener_serves_on_a_socket_and_stops(stage: Stage) -> None:
    held = HeldPort(for_server=True)
    port = held.number
    sock = socket.create_server(("127.0.0.1", port))
    sock.setblocking(False)
    await stage.listener.start(sock)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /short HTTP/1.1\r\n\r\n")
    assert await reader.readexactly(len(SHORT)) == SHORT
    stage.listener.stop()
    stage.listener.stop()
    assert not stage.listener.visitors
    with pytest.raises(ConnectionError):
        if not await reader.read():
            raise ConnectionResetError
    writer.close()
    with held, pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


def test_a_note_is_plain_text() -> None:
    page = note(404, "no", ("A", "b"))
    assert (page.status, page.content_type, list(page.body), page.headers) == (404, http.PLAIN, ["no"], (("A", "b"),))
