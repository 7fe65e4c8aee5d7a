"""Making, keeping and making again a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from natsd.client.errors import (
    AuthorizationViolation,
    ConnectionClosed,
    NoServers,
    ProtocolBroken,
    ServerError,
    Timeout,
    TlsRequired,
)
from natsd.client.transport import TlsFiles
from natsd.client.url import parse_urls

if TYPE_CHECKING:
    from tests.client.conftest import World
else:
    World = Any


def refused() -> OSError:
    return ConnectionRefusedError(111, "Connection refused")


def test_the_client_introduces_itself(world: World) -> None:
    world.connected(name="me", version="1.2.3", echo=False)
    options = world.server.connect_options
    assert options["name"] == "me" and options["version"] == "1.2.3" and options["lang"] == "python"
    assert options["verbose"] is False and options["pedantic"] is False and options["echo"] is False
    assert options["protocol"] == 1 and options["headers"] is True and options["no_responders"] is True
    told = "verbose pedantic tls_required name lang version protocol echo headers no_responders"
    assert set(options) == set(told.split())
    assert world.events == [("connected", "nats://one:4222")]


@pytest.mark.parametrize(
    ("servers", "options", "wanted"),
    [
        ("h", {"user": "u", "password": "p"}, {"user": "u", "pass": "p"}),
        ("h", {"user": "secret"}, {"auth_token": "secret"}),
        ("h", {"token": "t"}, {"auth_token": "t"}),
        ("u:p@h", {}, {"user": "u", "pass": "p"}),
        ("t@h", {"user": "u", "password": "p"}, {"auth_token": "t"}),
        ("u:p@h", {"user": "x", "password": "y"}, {"user": "u", "pass": "p"}),
    ],
)
def test_credentials_come_from_the_address_or_the_options(
    world: World, servers: str, options: dict[str, str], wanted: dict[str, str]
) -> None:
    world.connected(servers, **options)
    sent = world.server.connect_options
    assert {key: sent[key] for key in ("user", "pass", "auth_token") if key in sent} == wanted


def test_no_server_fails_at_once_and_says_why(world: World) -> None:
    world.refused = {("one", 4222): refused(), ("two", 4222): TimeoutError()}
    with pytest.raises(NoServers, match="^nats: no servers available for connection$") as caught:
        world.connected("one,two")
    assert caught.value.reasons == [
        ("nats://one:4222", "connection refused"),
        ("nats://two:4222", "connect timed out"),
    ]
    assert world.time.slept == []


def test_the_next_server_is_tried(world: World) -> None:
    world.refused = {("one", 4222): refused()}
    connection = world.connected("one,two:5222")
    assert connection.server.address == "nats://two:5222"


def test_a_server_that_says_nothing_is_given_up(world: World) -> None:
    world.answers_ping = False
    with pytest.raises(NoServers):
        world.connected(timeout_s=3.0)
    assert world.time.now == pytest.approx(1003.0)
    assert world.server.closed


def test_a_refused_user_is_told_apart_from_no_server(world: World) -> None:
    world.refused = {("two", 4222): refused()}
    world.answers[b"CONNECT "] = b"-ERR 'Authorization Violation'\r\n"
    with pytest.raises(AuthorizationViolation, match="^nats: Authorization Violation$"):
        world.connected("one,two")


def test_an_error_that_comes_with_the_end_of_the_connection_is_told(world: World) -> None:
    world.answers_ping = False
    connection = world.connection()
    real = world.dial

    def dial(host: str, port: int, timeout_s: float) -> Any:
        transport = real(host, port, timeout_s)
        transport.fail_writes = BrokenPipeError(32, "Broken pipe")
        transport.say(b"-ERR 'maximum connections exceeded'\r\n", EOFError())
        return transport

    connection._open_transport = dial
    with pytest.raises(ServerError, match="maximum connections exceeded"):
        connection.connect()


def test_a_server_that_wants_tls_is_not_spoken_to_in_the_clear(world: World) -> None:
    world.info["tls_required"] = True
    connection = world.connection(user="u", password="secret")

    def fail(*_: Any) -> Any:
        raise ConnectionError("tls: no")

    connection._secure = fail  # type: ignore[method-assign]
    with pytest.raises(NoServers):
        connection.connect()
    assert b"secret" not in world.server.written


@pytest.mark.parametrize("url, files", [("tls://h", TlsFiles()), ("h", TlsFiles(ca_file="ca.pem"))])
def test_who_wants_tls_does_not_do_without(world: World, url: str, files: TlsFiles) -> None:
    connection = world.connection(user="u", password="secret", tls=files)
    connection.servers = parse_urls(url)
    with pytest.raises(TlsRequired, match="secure connection not available"):
        connection.connect()
    assert b"secret" not in world.server.written


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n", b"INFO [1]\r\n", b"INFO {\r\n"])
def test_something_else_than_a_nats_server_is_noticed(world: World, greeting: bytes) -> None:
    connection = world.connection()
    real = world.dial

    def dial(host: str, port: int, timeout_s: float) -> Any:
        transport = real(host, port, timeout_s)
        transport.incoming.clear()
        transport.say(greeting)
        return transport

    connection._open_transport = dial
    with pytest.raises(ProtocolBroken):
        connection.connect()


def test_a_ping_is_answered_at_once(world: World) -> None:
    connection = world.connected()
    world.server.say(b"PING\r\n")
    assert connection.wait(1)
    assert world.server.lines[-1] == b"PONG"


def test_a_lost_connection_comes_back_with_its_subscriptions(world: World) -> None:
    connection = world.connected()
    connection.subscribe("a")
    limited = connection.subscribe("b", "workers")
    limited.unsubscribe(5)
    done = connection.subscribe("c")
    done.unsubscribe()
    world.server.say(b"MSG b 2 1\r\nx\r\n")
    connection.wait(1)
    world.server.say(EOFError())
    assert connection.wait(1)
    assert len(world.transports) == 2 and world.transports[0].closed
    assert world.server.lines[2:] == [b"SUB a 1", b"SUB b workers 2", b"UNSUB 2 4"]
    assert world.events[1:] == [("disconnected", "EOF"), ("reconnected", "nats://one:4222")]


def test_why_a_connection_was_lost_is_told(world: World) -> None:
    connection = world.connected()
    world.server.say(b"-ERR 'Stale Connection'\r\n", EOFError())
    connection.wait(1)
    connection.wait(1)
    assert ("disconnected", "nats: Stale Connection") in world.events


def test_pauses_between_attempts_grow_and_stay_in_their_bounds(world: World) -> None:
    connection = world.connected(chance=lambda count: b"\xff" * count)
    world.refused = {("one", 4222): refused()}
    world.server.say(EOFError())
    assert not connection.wait(90)
    assert world.time.slept[:6] == pytest.approx([1, 2, 4, 8, 16, 20])
    assert all(0.5 <= pause <= 20 for pause in world.time.slept[:-1])
    assert world.time.now == pytest.approx(1090)


def test_short_waits_do_not_shorten_the_pauses(world: World) -> None:
    connection = world.connected(chance=lambda count: b"\xff" * count)
    world.refused = {("one", 4222): refused()}
    world.server.say(EOFError())
    for _ in range(31):
        assert not connection.wait(1)
    # At once, then after 1, 2, 4, 8 and 16 seconds.
    assert len(world.dialled) == 1 + 6


def test_a_wrong_password_does_not_stop_reconnecting(world: World) -> None:
    connection = world.connected()
    world.answers[b"CONNECT "] = b"-ERR 'Authorization Violation'\r\n"
    world.server.say(EOFError())
    assert not connection.wait(5)
    world.answers.clear()
    connection.flush(60)
    assert world.events[-1] == ("reconnected", "nats://one:4222")


def test_an_address_the_server_names_is_tried_too(world: World) -> None:
    world.info["connect_urls"] = ["one:4222", "10.0.0.2:4222", "[fd00::3]:4222", ""]
    connection = world.connected()
    assert ("discovered", "nats://[fd00::3]:4222") in world.events
    world.refused = {("one", 4222): refused()}
    world.server.say(EOFError())
    connection.flush()
    assert connection.server.address == "nats://10.0.0.2:4222"


def test_publishes_that_were_not_begun_go_out_after_a_reconnect(world: World) -> None:
    connection = world.connected()
    connection.publish("a", b"begun")
    connection.publish("b", b"kept")
    world.server.fail_writes = ConnectionResetError(104, "Connection reset by peer")
    world.sent_before_failure = 4
    connection.flush()
    assert world.transports[0].lines[2:] == []
    assert world.server.lines[2:] == [b"PUB b 4", b"kept", b"PING"]
    assert ("disconnected", "connection reset by peer") in world.events


def test_a_flush_asks_again_after_a_reconnect(world: World) -> None:
    connection = world.connected()
    world.answers_ping = False
    world.server.say(EOFError())
    real = world.dial

    def dial(host: str, port: int, timeout_s: float) -> Any:
        world.answers_ping = True
        return real(host, port, timeout_s)

    connection._open_transport = dial
    connection.flush()
    assert world.server.lines[2:] == [b"PING"]


def test_without_reconnecting_the_end_is_the_end(world: World) -> None:
    connection = world.connected(reconnect=False)
    world.server.say(b"-ERR 'Slow Consumer'\r\n", EOFError())
    connection.wait(1)
    with pytest.raises(ConnectionClosed, match="nats: connection closed: nats: Slow Consumer"):
        connection.wait(1)
    with pytest.raises(ConnectionClosed):
        connection.publish("a")


def test_a_silent_server_is_asked_and_then_given_up(world: World) -> None:
    connection = world.connected()
    world.answers_ping = False
    assert not connection.wait(119)
    assert world.server.written.count(b"PING") == 1
    assert not connection.wait(200)
    assert world.transports[0].written.count(b"PING") == 3
    world.answers_ping = True
    assert connection.wait(200)
    assert ("disconnected", "nats: stale connection") in world.events
    assert len(world.transports) == 2


def test_short_waits_ask_no_more_often(world: World) -> None:
    connection = world.connected()
    for _ in range(600):
        connection.wait(1)
    assert 4 <= world.server.written.count(b"PING\r\n") - 1 <= 6
    assert len(world.transports) == 1


def test_a_pause_keeps_the_connection_alive(world: World) -> None:
    connection = world.connected()
    world.server.say(b"PING\r\n")
    before = world.time.now
    connection.pause(2)
    assert world.time.now == pytest.approx(before + 2)
    assert world.server.lines[-1] == b"PONG"


def test_a_flush_without_a_server_times_out(world: World) -> None:
    connection = world.connected()
    world.refused = {("one", 4222): refused()}
    world.server.say(EOFError())
    with pytest.raises(Timeout):
        connection.flush(3)
    assert world.time.now == pytest.approx(1003)
