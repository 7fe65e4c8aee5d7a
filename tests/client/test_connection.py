"""Messages over a connection: publish, subscribe, request, flush, drain."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from natsd.client import message as message_module
from natsd.client.errors import (
    BadHeader,
    BadSubject,
    ConnectionClosed,
    HeadersUnsupported,
    MaxPayload,
    NoResponders,
    PermissionsViolation,
    SlowConsumer,
    Timeout,
)
from natsd.client.message import Message

if TYPE_CHECKING:
    from tests.client.conftest import World
else:
    World = Any


def test_publishes_are_collected_until_a_flush(world: World) -> None:
    connection = world.connected()
    connection.publish("a", b"one")
    connection.publish("b", b"two", "reply.to")
    assert b"PUB" not in world.server.written
    connection.flush()
    assert world.server.lines[2:] == [b"PUB a 3", b"one", b"PUB b reply.to 3", b"two", b"PING"]


def test_many_publishes_go_out_in_batches(world: World) -> None:
    connection = world.connected()
    for _ in range(100):
        connection.publish("a", bytes(1024))
    assert world.server.written.count(b"PUB a 1024") == 64


def test_headers_keep_their_order_and_repeat(world: World) -> None:
    connection = world.connected()
    connection.publish("a", b"x", headers=[("B", "1"), ("a", "2"), ("B", "3")])
    connection.flush()
    assert b"HPUB a 30 31\r\nNATS/1.0\r\nB: 1\r\na: 2\r\nB: 3\r\n\r\nx\r\n" in world.server.written


def test_headers_are_refused_where_the_server_has_none(world: World) -> None:
    world.info["headers"] = False
    connection = world.connected()
    assert world.server.connect_options["no_responders"] is False
    with pytest.raises(HeadersUnsupported):
        connection.publish("a", headers=[("A", "1")])


@pytest.mark.parametrize("key", ["", "a:b", "a b", "a\n", "\u00e4"])
def test_an_impossible_header_is_refused(world: World, key: str) -> None:
    with pytest.raises(BadHeader):
        world.connected().publish("a", headers=[(key, "1")])


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB b 0", "a\t", ".a", "a.", "a..b", "a.>.b", "\0"])
def test_a_subject_that_would_break_the_wire_is_refused(world: World, subject: str) -> None:
    connection = world.connected()
    with pytest.raises(BadSubject):
        connection.publish(subject)
    with pytest.raises(BadSubject):
        connection.subscribe(subject)


def test_reply_subjects_and_queue_groups_are_looked_at_too(world: World) -> None:
    connection = world.connected()
    with pytest.raises(BadSubject, match="reply subject"):
        connection.publish("a", reply="x y")
    with pytest.raises(BadSubject, match="queue group"):
        connection.subscribe("a", "x y")


def test_subjects_of_any_script_and_of_any_bytes_pass(world: World) -> None:
    connection = world.connected()
    connection.publish("新闻.科技", b"1")
    connection.publish(b"\xff\xfe", b"2")
    connection.flush()
    assert "PUB 新闻.科技 1".encode() in world.server.lines
    assert b"PUB \xff\xfe 1" in world.server.lines


def test_a_message_above_the_servers_limit_is_not_sent(world: World) -> None:
    world.info["max_payload"] = 10
    connection = world.connected()
    connection.publish("a", bytes(10))
    with pytest.raises(MaxPayload, match="11 bytes, the server takes 10"):
        connection.publish("a", bytes(11))


def test_a_subscription_gets_its_messages(world: World) -> None:
    connection = world.connected()
    subscription = connection.subscribe("a.*")
    grouped = connection.subscribe("b", "workers")
    world.server.say(b"MSG a.x 1 reply 2\r\nhi\r\nMSG b 2 2\r\nho\r\nMSG c 9 2\r\n??\r\n")
    first = subscription.next(1)
    assert first is not None
    assert (first.subject, first.reply, first.payload, first.headers) == ("a.x", "reply", b"hi", [])
    second = grouped.next(1)
    assert second is not None and second.payload == b"ho" and second.reply == ""
    assert world.server.lines[2:] == [b"SUB a.* 1", b"SUB b workers 2"]


def test_subscriptions_may_share_a_queue(world: World) -> None:
    connection = world.connected()
    queue: deque[Message] = deque()
    connection.subscribe("a", queue=queue)
    connection.subscribe("b", queue=queue)
    world.server.say(b"MSG b 2 1\r\n1\r\nMSG a 1 1\r\n2\r\nMSG b 2 1\r\n3\r\n")
    assert connection.wait(1)
    assert [message.payload for message in queue] == [b"1", b"2", b"3"]


def test_next_gives_none_when_nothing_comes(world: World) -> None:
    subscription = world.connected().subscribe("a")
    before = world.time.now
    assert subscription.next(2.5) is None
    assert world.time.now == pytest.approx(before + 2.5)


def test_a_subscription_ends_after_its_maximum(world: World) -> None:
    connection = world.connected()
    subscription = connection.subscribe("a")
    subscription.unsubscribe(2)
    world.server.say(b"MSG a 1 1\r\n1\r\n" * 3)
    connection.wait(1)
    assert b"UNSUB 1 2" in world.server.lines
    assert len(subscription.queue) == 2
    subscription.unsubscribe()
    connection.flush()
    assert b"UNSUB 1" not in world.server.lines


def test_headers_and_status_of_a_message_are_parsed(world: World) -> None:
    connection = world.connected()
    subscription = connection.subscribe("a")
    header = b"NATS/1.0 100 Idle Heartbeat\r\nA: 1\r\nA:2\r\n\r\n"
    world.server.say(b"HMSG a 1 %d %d\r\n%b\r\n" % (len(header), len(header), header))
    message = subscription.next(1)
    assert message is not None
    assert message.headers == [("Status", "100"), ("Description", "Idle Heartbeat"), ("A", "1"), ("A", "2")]


def test_a_full_queue_drops_and_reports(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_module, "QUEUE_LIMIT", 2)
    monkeypatch.setattr("natsd.client.connection.QUEUE_LIMIT", 2)
    connection = world.connected()
    subscription = connection.subscribe("a")
    world.server.say(b"MSG a 1 1\r\n1\r\n" * 5)
    connection.wait(1)
    assert len(subscription.queue) == 2 and subscription.dropped == 3
    assert isinstance(connection.take_error(), SlowConsumer)
    assert connection.take_error() is None


def test_a_request_gets_its_reply(world: World) -> None:
    connection = world.connected()
    inbox = "_INBOX." + "0" * 22
    world.answers[b"PUB ask"] = f"MSG {inbox}.1 1 6\r\nanswer\r\n".encode()
    assert connection.request("ask", b"?").payload == b"answer"
    assert f"SUB {inbox}.* 1".encode() in world.server.lines
    assert f"PUB ask {inbox}.1 1".encode() in world.server.lines


def test_a_late_reply_to_an_earlier_request_is_dropped(world: World) -> None:
    connection = world.connected(inbox_prefix="my.box")
    inbox = "my.box." + "0" * 22
    with pytest.raises(Timeout):
        connection.request("ask", timeout_s=1)
    world.answers[b"PUB ask"] = f"MSG {inbox}.1 1 4\r\nlate\r\nMSG {inbox}.2 1 3\r\nnow\r\n".encode()
    assert connection.request("ask").payload == b"now"
    assert world.server.written.count(b"SUB ") == 1


def test_nobody_listening_is_not_a_timeout(world: World) -> None:
    inbox = "_INBOX." + "0" * 22
    world.answers[b"PUB ask"] = f"HMSG {inbox}.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n".encode()
    with pytest.raises(NoResponders):
        world.connected().request("ask")


def test_a_request_that_is_not_permitted_says_so(world: World) -> None:
    world.answers[b"PUB ask"] = b"-ERR 'Permissions Violation for Publish to \"ask\"'\r\n"
    with pytest.raises(PermissionsViolation, match='^nats: Permissions Violation for Publish to "ask"$'):
        world.connected().request("ask")


def test_a_violation_is_kept_until_somebody_takes_it(world: World) -> None:
    connection = world.connected()
    world.answers[b"PUB a"] = b"-ERR 'Permissions Violation for Publish to \"a\"'\r\n"
    connection.publish("a")
    connection.flush()
    assert isinstance(connection.take_error(), PermissionsViolation)
    assert ("error", 'nats: Permissions Violation for Publish to "a"') in world.events


def test_responding_needs_a_reply_subject(world: World) -> None:
    connection = world.connected()
    subscription = connection.subscribe("a")
    world.server.say(b"MSG a 1 r 0\r\n\r\nMSG a 1 0\r\n\r\n")
    connection.wait(1)
    with_reply, without = subscription.queue
    connection.respond(with_reply, b"yes")
    connection.flush()
    assert b"PUB r 3" in world.server.lines
    with pytest.raises(BadSubject, match="does not have a reply"):
        connection.respond(without, b"no")


def test_flush_times_out(world: World) -> None:
    connection = world.connected()
    world.answers_ping = False
    with pytest.raises(Timeout):
        connection.flush(2)


def test_draining_keeps_what_is_on_its_way(world: World) -> None:
    connection = world.connected()
    subscription = connection.subscribe("a")
    world.answers[b"UNSUB 1"] = b"MSG a 1 4\r\nlast\r\n"
    connection.drain()
    assert [message.payload for message in subscription.queue] == [b"last"]
    world.server.say(b"MSG a 1 4\r\nmore\r\n")
    connection.wait(1)
    assert len(subscription.queue) == 1


def test_draining_without_a_server_does_not_wait_for_one(world: World) -> None:
    connection = world.connected()
    connection.subscribe("a")
    world.refused[("one", 4222)] = ConnectionRefusedError(111, "Connection refused")
    world.server.say(EOFError())
    assert not connection.wait(1)
    before = world.time.now
    connection.drain()
    assert world.time.now == before


def test_closing_sends_what_is_collected(world: World) -> None:
    with world.connected() as connection:
        connection.publish("a", b"x")
    assert world.server.lines[-2:] == [b"PUB a 1", b"x"]
    assert world.server.closed
    with pytest.raises(ConnectionClosed):
        connection.publish("a")
    connection.close()


def test_counting_makes_no_messages(world: World) -> None:
    connection = world.connected()
    subscription = connection.subscribe("a")
    world.server.say(b"MSG a 1 2\r\nhi\r\n" * 3 + b"PING\r\n")
    assert connection.tally(1) == (3, 6)
    assert connection.tally(1) == (0, 0)
    assert not subscription.queue
    assert world.server.lines[-1] == b"PONG"


def test_a_bare_batch_has_only_messages(world: World) -> None:
    connection = world.connected()
    connection.subscribe("a")
    world.server.say(b"MSG a 1 2\r\nhi\r\n+OK\r\n", b"MSG a 1 2\r\nho\r\n")
    assert connection.read_batch(1) == [("MSG", 1, b"a", None, None, b"hi")]
    assert connection.read_batch(1) == [("MSG", 1, b"a", None, None, b"ho")]
    assert connection.read_batch(1) == []


def test_what_comes_while_a_block_is_written_is_in_the_next_batch(world: World) -> None:
    connection = world.connected()
    connection.subscribe("a")
    connection.flush()
    write = world.server.write

    def write_to_a_full_socket(data: bytes, take: Any, stall_s: float) -> None:
        if data.startswith(b"PUB"):
            take(b"MSG a 1 2\r\nhi\r\nPING\r\nMSG a 1 2\r\nh")
            take(b"o\r\n")
        write(data, take, stall_s)

    world.server.write = write_to_a_full_socket  # type: ignore[method-assign]
    connection.write_block(b"PUB b 0\r\n\r\n")
    assert [event[5] for event in connection.read_batch(1)] == [b"hi", b"ho"]
    assert connection.read_batch(0) == [] and b"PONG" in world.server.lines
