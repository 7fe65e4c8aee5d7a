"""What a client says: scanning, the fast path, and what comes back as ops, in both forms of the kernel."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natsd.protocol import ops as op

from .conftest import Bench, Peer

STREAM = (
    b'CONNECT {"verbose":false}\r\nPING\r\nSUB a.* 1\r\nsub  b \t q  2\r\nPUB a.x 5\r\nhello\r\nPUB b r 0\r\n\r\n'
    b"UNSUB 2 7\r\nunsub 9\nPONG\r\nHPUB a.y 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
    b"+OK\r\nINFO {}\r\nPUB  a.z\t3\r\nabc\r\n-ERR 'x'\r\n"
)
OPS = [
    (op.CONNECT, b'{"verbose":false}'),
    (op.SUB, b"a.*", None, b"1"),
    (op.SUB, b"b", b"q", b"2"),
    (op.UNSUB, b"2", 7),
    (op.UNSUB, b"9", -1),
    (op.PONG,),
    (op.INFO, b"{}"),
    (op.ERR, b"'x'"),
]


def applying(bench: Bench, peer: Peer) -> None:
    """Make the peer subscribe as it is told, so that order shows."""
    keep = peer.ops.extend

    def on_ops(ops: list[tuple[Any, ...]]) -> None:
        keep(ops)
        for item in ops:
            if item[0] == op.SUB:
                bench.subscribe(peer, item[1], item[3], item[2])
            elif item[0] == op.CONNECT:
                peer.inbound.headers = peer.outbound.headers = True

    peer.on_ops = on_ops  # type: ignore[method-assign]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_any_split_gives_the_same_ops_and_the_same_output(kernel: SimpleNamespace, cuts: list[int]) -> None:
    bench = Bench(kernel)
    peer = bench.peer()
    applying(bench, peer)
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in zip(edges, edges[1:], strict=False):
        peer.says(STREAM[start:end])
    assert peer.ops == OPS
    assert peer.gets() == (
        b"PONG\r\nMSG a.x 1 5\r\nhello\r\nMSG b 2 r 0\r\n\r\n"
        b"HMSG a.y 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nMSG a.z 1 3\r\nabc\r\n"
    )
    assert peer.inbound.in_msgs == 4
    assert peer.inbound.in_bytes == 5 + 0 + 14 + 3


def test_the_kernel_and_the_protocol_room_mean_the_same_ops() -> None:
    source = (Path(__file__).parents[2] / "src/natsd/kernel/_native_ops.pxd").read_text()
    there = {name: int(value) for name, value in re.findall(r"^    ([A-Z_]+) = (\d+)$", source, re.MULTILINE)}
    ours = {name: value for name, value in vars(op).items() if name.isupper() and isinstance(value, int)}
    assert {name: there.get(name) for name in ours} == ours


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"X", op.BAD_VERB),
        (b"\0", op.BAD_VERB),
        (b"\r\n", op.BAD_VERB),
        (b"PX", op.BAD_VERB),
        (b"PUBB", op.BAD_VERB),
        (b"PUB\r\n", op.BAD_VERB),
        (b"SUB\n", op.BAD_VERB),
        (b"MSG a 1 1\r\nx\r\n", op.BAD_VERB),
        (b"PUB \r\n", op.BAD_ARGS),
        (b"PUB a\r\n", op.BAD_ARGS),
        (b"PUB a b c 1\r\n", op.BAD_ARGS),
        (b"PUB a -1\r\n", op.BAD_ARGS),
        (b"PUB a +1\r\n", op.BAD_ARGS),
        (b"PUB a 1e1\r\n", op.BAD_ARGS),
        (b"PUB a 2147483648\r\n", op.BAD_ARGS),
        (b"PUB a 9223372036854775808\r\n", op.BAD_ARGS),
        (b"PUB a 18446744073709551617\r\n", op.BAD_ARGS),
        (b"PUB a 999999999\r\n", op.BAD_MAX_PAYLOAD),
        (b"PUB a 1048577\r\n", op.BAD_MAX_PAYLOAD),
        (b"PUB a 0000000001\r\n", op.BAD_ARGS),
        (b"PUB a 2\r\nabc", op.BAD_VERB),
        (b"PUB a 2\r\nab\rx", op.BAD_VERB),
        (b"PUB a 3\r\nab\r\n", op.BAD_VERB),
        (b"HPUB a 3 2\r\n", op.BAD_ARGS),
        (b"HPUB a -1 2\r\n", op.BAD_ARGS),
        (b"HPUB a 1\r\n", op.BAD_ARGS),
        (b"HPUB a b c 1 2\r\n", op.BAD_ARGS),
        (b"SUB a\r\n", op.BAD_ARGS),
        (b"SUB a b c d\r\n", op.BAD_ARGS),
        (b"UNSUB \r\n", op.BAD_ARGS),
        (b"UNSUB 1 2 3\r\n", op.BAD_ARGS),
        (b"SUB " + b"s" * 4097, op.BAD_CONTROL_LINE),
        (b"CONNECT " + b"{" * 4097, op.BAD_CONTROL_LINE),
        (b"PUB " + b"s" * 4095 + b" 0\r\n\r\n", op.BAD_CONTROL_LINE),
    ],
)
@pytest.mark.parametrize("split", [False, True])
def test_what_cannot_be_read_is_fatal_and_says_why(bench: Bench, said: bytes, kind: int, split: bool) -> None:
    peer = bench.peer()
    peer.inbound.headers = True
    for piece in [said[i : i + 1] for i in range(len(said))] if split else [said]:
        peer.says(piece)
    assert [item[:2] for item in peer.ops] == [(op.BAD, kind)]
    assert len(peer.ops[0][2]) <= op.SNIPPET_BYTES
    assert peer.inbound.closed
    peer.says(b"PING\r\n")
    assert peer.gets() == b""


@pytest.mark.parametrize(
    "said", [b"PUB a 00000005\r\nhello\r\n", b"PUB " + b"s" * 4094 + b" 0\r\n\r\n", b"PUB a 1048576\r\n"]
)
def test_what_is_just_within_bounds_is_taken(bench: Bench, said: bytes) -> None:
    peer = bench.peer()
    peer.says(said)
    assert peer.ops == []
    assert not peer.inbound.closed


def test_hpub_without_agreed_headers_is_fatal(bench: Bench) -> None:
    peer = bench.peer()
    peer.says(b"HPUB a 12 12\r\n")
    assert [item[:2] for item in peer.ops] == [(op.BAD, op.BAD_HEADERS_OFF)]


def test_what_came_before_a_fatal_error_was_delivered(bench: Bench) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b"a")
    peer.says(b"PUB a 1\r\nx\r\nBOO")
    assert peer.gets() == b"MSG a 1 1\r\nx\r\n"


def test_junk_behind_ping_needs_no_memory(bench: Bench) -> None:
    peer = bench.peer()
    peer.says(b"PING")
    for _ in range(100):
        peer.says(b"x" * 10000)
    peer.says(b"\nPING\r\n")
    assert peer.gets() == b"PONG\r\nPONG\r\n"


def test_blanks_before_arguments_need_no_memory_and_are_no_arguments(bench: Bench) -> None:
    peer = bench.peer()
    peer.says(b"SUB ")
    for _ in range(20):
        peer.says(b" " * 1000)
    peer.says(b"a 1\r\n")
    assert peer.ops == [(op.SUB, b"a", None, b"1")]


def test_the_first_ping_is_the_sessions(bench: Bench) -> None:
    peer = bench.peer()
    peer.inbound.first_ping = True
    peer.says(b"PING\r\n")
    assert peer.ops == [(op.PING,)]
    peer.inbound.first_ping = False
    peer.says(b"PING\r\n")
    assert peer.gets() == b"PONG\r\n"


def test_behind_a_closed_gate_only_connect_is_read(bench: Bench) -> None:
    peer = bench.peer()
    peer.inbound.gate = True
    peer.on_ops = lambda ops: (peer.ops.extend(ops), peer.inbound.close())  # type: ignore[method-assign,assign]
    peer.says(b"PUB a 0\r\n\r\n")
    assert peer.ops == [(op.EARLY,)]
    assert peer.inbound.in_msgs == 0


def test_a_gate_that_opens_lets_the_same_bytes_through(bench: Bench) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b"a")
    peer.inbound.gate = True

    def on_ops(ops: list[tuple[Any, ...]]) -> None:
        peer.ops.extend(ops)
        peer.inbound.gate = False

    peer.on_ops = on_ops  # type: ignore[method-assign]
    peer.says(b"PUB a 1\r\nx\r\n")
    assert peer.ops == [(op.EARLY,)]
    assert peer.gets() == b"MSG a 1 1\r\nx\r\n"


def test_verbose_acknowledges_each_publish_before_delivery(bench: Bench) -> None:
    peer = bench.peer()
    peer.inbound.verbose = True
    bench.subscribe(peer, b"a")
    peer.says(b"PUB a 1\r\nx\r\nPUB b 0\r\n\r\n")
    assert peer.gets() == b"+OK\r\nMSG a 1 1\r\nx\r\n+OK\r\n"


def test_pedantic_reports_and_still_delivers(bench: Bench) -> None:
    peer = bench.peer()
    peer.inbound.pedantic = True
    bench.subscribe(peer, b"a.>")
    peer.says(b"PUB a.* 1\r\nx\r\nPUB a.b 0\r\n\r\nPUB a..b 0\r\n\r\n")
    assert peer.ops == [(op.PEDANTIC, b"a.*"), (op.PEDANTIC, b"a..b")]
    assert peer.inbound.in_msgs == 3
    assert peer.gets() == b"MSG a.* 1 1\r\nx\r\nMSG a.b 1 0\r\n\r\n"


def test_without_echo_a_connection_does_not_hear_itself(bench: Bench) -> None:
    peer, other = bench.peer(), bench.peer()
    peer.inbound.echo = False
    bench.subscribe(peer, b"a")
    bench.subscribe(other, b"a")
    peer.says(b"PUB a 1\r\nx\r\n")
    assert peer.gets() == b""
    assert other.gets() == b"MSG a 1 1\r\nx\r\n"


def test_headers_are_stripped_for_those_who_did_not_ask(bench: Bench) -> None:
    peer, other = bench.peer(), bench.peer()
    peer.inbound.headers = peer.outbound.headers = True
    bench.subscribe(peer, b"a")
    bench.subscribe(other, b"a")
    peer.says(b"HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
    assert peer.gets() == b"HMSG a 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
    assert other.gets() == b"MSG a 1 r 2\r\nhi\r\n"
    assert (peer.outbound.out_bytes, other.outbound.out_bytes) == (14, 2)


def test_nobody_there_is_told_to_the_asker_on_its_own_inbox(bench: Bench) -> None:
    peer, other = bench.peer(), bench.peer()
    peer.inbound.no_responders = True
    bench.subscribe(other, b"_INBOX.1")
    peer.says(b"PUB svc _INBOX.1 0\r\n\r\n")
    assert peer.gets() == other.gets() == b""
    bench.subscribe(peer, b"_INBOX.*", b"9")
    peer.says(b"PUB svc _INBOX.1 0\r\n\r\n")
    header = b"NATS/1.0 503\r\nNats-Subject: svc\r\n\r\n"
    assert peer.gets() == b"HMSG _INBOX.1 9 %d %d\r\n%b\r\n" % (len(header), len(header), header)


def test_reserved_subjects_and_replies_are_refused(bench: Bench) -> None:
    peer = bench.peer()
    bench.road.reserved_subjects = (b"_GR_.?", b"$NRG.")
    bench.subscribe(peer, b">")
    bench.road.reserved_replies = (b"_R_.", b"$JS.ACK.?")
    for line in (b"_GR_.x", b"a $JS.ACK.x", b"a $JS.ACK.", b"_GR_.", b"$NRG.", b"a _R_."):
        peer.says(b"PUB %b 0\r\n\r\n" % line)
    assert peer.ops == [
        (op.DENIED, b"_GR_.x"),
        (op.DENIED_REPLY, b"$JS.ACK.x"),
        (op.DENIED, b"$NRG."),
        (op.DENIED_REPLY, b"_R_."),
    ]
    assert peer.gets() == b"MSG a 1 $JS.ACK. 0\r\n\r\n"


def test_the_permission_hook_is_asked_once_per_subject(bench: Bench) -> None:
    peer = bench.peer()
    asked: list[bytes] = []

    def check(subject: bytes) -> bool:
        asked.append(subject)
        return subject != b"no"

    peer.inbound.publish_check = check
    bench.subscribe(peer, b">")
    peer.says(b"PUB yes 0\r\n\r\nPUB no 0\r\n\r\nPUB yes 0\r\n\r\nPUB no 0\r\n\r\n")
    assert asked == [b"yes", b"no"]
    assert peer.ops == [(op.DENIED, b"no"), (op.DENIED, b"no")]
    assert peer.gets() == b"MSG yes 1 0\r\n\r\n" * 2
    peer.inbound.forget_permissions()
    peer.says(b"PUB yes 0\r\n\r\n")
    assert asked == [b"yes", b"no", b"yes"]
    many = b"".join(b"PUB s.%d 0\r\n\r\n" % number for number in range(10_000))
    peer.says(many)
    peer.says(b"PUB no 0\r\n\r\n")
    assert peer.ops[-1] == (op.DENIED, b"no")
    assert peer.outbound.out_msgs == 10_003


def test_closing_while_ops_are_applied_drops_the_rest(bench: Bench) -> None:
    peer = bench.peer()
    bench.subscribe(peer, b"a")
    peer.on_ops = lambda ops: peer.inbound.close()  # type: ignore[method-assign]
    peer.says(b"PONG\r\nPUB a 0\r\n\r\n")
    assert peer.gets() == b""


def test_a_read_inside_a_read_is_refused(bench: Bench) -> None:
    peer, other = bench.peer(), bench.peer()
    peer.on_ops = lambda ops: other.says(b"PING\r\n")  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="while another"):
        peer.says(b"PONG\r\n")
    assert not bench.road.busy


def test_the_trace_shows_what_comes_in_and_goes_out(bench: Bench) -> None:
    peer = bench.peer()
    bench.road.trace = []
    bench.subscribe(peer, b"a")
    peer.says(b"PUB a r 2\r\nhi\r\nPING\r\n")
    assert bench.road.trace == [
        (peer, b"<<-", b"PUB a r 2", b"hi"),
        (peer, b"->>", b"MSG a 1 r 2", b"hi"),
        (peer, b"<<-", b"PING", None),
    ]


@pytest.fixture
def pair() -> Any:
    """Two ends of a socket, ours not waiting."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(60)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("size", [0, 1, 4094, 4096, 65536, 131_070, 131_072, 200_000, 1 << 20])
def test_a_payload_of_any_size_arrives_through_sockets_in_any_pieces(bench: Bench, pair: Any, size: int) -> None:
    ours, theirs = pair
    peer = bench.peer(ours.fileno())
    receiver = bench.peer()
    bench.subscribe(receiver, b"a")
    payload = bytes(i * 7 & 255 for i in range(256)) * (size // 256 + 1)
    frame = b"PUB a %d\r\n%b\r\n" % (size, payload[:size])
    stream = memoryview(frame * 3 + b"PING\r\n")
    sent = 0
    for step in [1, 3, 5000, 70_000, 131_072, 300_000] * 10:
        piece = stream[sent : sent + step]
        while piece:
            n = theirs.send(piece[:50_000])
            sent += n
            piece = piece[n:]
            peer.inbound.on_readable(ours.fileno())
    while sent < len(stream):
        sent += theirs.send(stream[sent : sent + 50_000])
        peer.inbound.on_readable(ours.fileno())
    for _ in range(50):
        peer.inbound.on_readable(ours.fileno())
    assert peer.ops == []
    assert receiver.gets() == b"MSG a 1 %d\r\n%b\r\n" % (size, payload[:size]) * 3
    assert theirs.recv(100) == b"PONG\r\n"


def test_the_end_of_a_stream_and_a_broken_one_are_told(bench: Bench, pair: Any) -> None:
    ours, theirs = pair
    peer = bench.peer(ours.fileno())
    peer.inbound.on_readable(ours.fileno())
    assert peer.told == []
    theirs.close()
    peer.inbound.on_readable(ours.fileno())
    assert peer.told == ["eof"]
    peer.inbound.on_readable(-1)
    assert peer.told[1][0] == "broken"
    peer.inbound.close()
    peer.inbound.on_readable(ours.fileno())
    assert len(peer.told) == 2


def test_messages_are_dated_by_the_roads_clock_once_per_read(bench: Bench) -> None:
    peer = bench.peer()
    times = iter([11, 22])
    bench.road.clock = lambda: next(times)
    peer.says(b"PUB a 0\r\n\r\nPUB a 0\r\n\r\n")
    assert peer.inbound.last_ns == 11
    peer.says(b"PING\r\nPUB a 0\r\n")
    assert peer.inbound.last_ns == 11
    peer.says(b"\r\n")
    assert peer.inbound.last_ns == 22
