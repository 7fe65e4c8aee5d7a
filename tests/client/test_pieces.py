"""Header blocks, unique ids, pauses, and the socket below the client."""

from __future__ import annotations

import socket

import pytest

from natsd.client.backoff import LONGEST_S, SHORTEST_S, delay_s
from natsd.client.errors import AuthorizationViolation, PermissionsViolation, ServerError, error_of
from natsd.client.headers import parse_headers, render_headers
from natsd.client.nuid import DIGITS, new_nuid
from natsd.client.transport import Transport, open_transport


def test_a_header_block_survives_the_round_trip() -> None:
    pairs = [("A", "1"), ("B", "\u4f60\u597d: x"), ("A", "")]
    assert parse_headers(render_headers(pairs)) == (0, "", pairs)


def test_line_breaks_cannot_smuggle_a_header() -> None:
    assert render_headers([("A", " x\r\nB: y\n")]) == b"NATS/1.0\r\nA: x B: y\r\n\r\n"


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (None, (0, "", [])),
        (b"", (0, "", [])),
        (b"NATS/1.0 503\r\n\r\n", (503, "", [])),
        (b"NATS/1.0 404 No Messages\r\nA:1\r\n\r\n", (404, "No Messages", [("A", "1")])),
        (b"NATS/1.0 what\r\nno header\r\n\r\n", (0, "", [])),
    ],
)
def test_status_lines(block: bytes | None, wanted: tuple[int, str, list[tuple[str, str]]]) -> None:
    assert parse_headers(block) == wanted


def test_ids_are_long_and_made_of_digits_and_letters() -> None:
    nuid = new_nuid(lambda count: bytes(range(count)))
    assert len(nuid) == 22 and set(nuid) <= set(DIGITS)
    assert new_nuid(lambda count: bytes(count)) != nuid


@pytest.mark.parametrize("attempt", [0, 1, 2, 5, 6, 1000])
@pytest.mark.parametrize("byte", [b"\0", b"\x80", b"\xff"])
def test_pauses_stay_between_their_bounds(attempt: int, byte: bytes) -> None:
    assert SHORTEST_S <= delay_s(attempt, lambda count: byte * count) <= LONGEST_S


def test_errors_of_the_server_are_told_apart() -> None:
    assert type(error_of('Permissions Violation for Subscription to "a"')) is PermissionsViolation
    assert type(error_of("Authorization Violation")) is AuthorizationViolation
    assert type(error_of("User Authentication Expired")) is AuthorizationViolation
    assert type(error_of("Unknown Protocol Operation")) is ServerError


def test_a_write_that_has_to_wait_takes_in_what_arrives() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    transport = open_transport("127.0.0.1", listener.getsockname()[1], 60)
    peer, _ = listener.accept()
    listener.close()
    taken: list[bytes] = []
    peer.sendall(b"MSG")

    def take(data: bytes) -> None:
        taken.append(data)
        # Now there is room.
        received = 0
        peer.settimeout(0.05)
        try:
            while chunk := peer.recv(1 << 20):
                received += len(chunk)
        except TimeoutError:
            pass
        peer.shutdown(socket.SHUT_RD)

    with pytest.raises((TimeoutError, OSError)):
        transport.write(bytes(64 << 20), take, 0.05)
    assert taken == [b"MSG"]
    assert 0 < transport.sent < 64 << 20
    peer.close()
    transport.close()


def test_a_peer_that_takes_nothing_is_noticed() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    transport = open_transport("127.0.0.1", listener.getsockname()[1], 60)
    with pytest.raises(TimeoutError):
        transport.write(bytes(64 << 20), lambda data: None, 0.02)
    transport.close()
    listener.close()


def test_reading_tells_nothing_from_the_end() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    transport = open_transport("127.0.0.1", listener.getsockname()[1], 60)
    peer, _ = listener.accept()
    assert transport.read(0) is None
    peer.sendall(b"PING\r\n")
    assert transport.read(60) == b"PING\r\n"
    peer.close()
    with pytest.raises(EOFError):
        transport.read(60)
    transport.close()
    listener.close()


def test_another_descriptor_wakes_a_wait() -> None:
    first, second = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    transport: Transport = open_transport("localhost", listener.getsockname()[1], 60)
    second.send(b"x")
    assert transport.wait(60, first.fileno()) == (False, True)
    for one in (first, second, listener, transport):
        one.close()
