"""Pull consumers: who gets what, and every status."""

from __future__ import annotations

import json

import pytest

from tests.jetstream.house import House, reply_numbers


@pytest.fixture
def house() -> House:
    house = House()
    house.stream()
    return house


def test_a_batch_is_delivered_with_its_numbers(house: House) -> None:
    house.fill(5)
    house.consumer()
    got = house.fetch(3)
    assert [one[3] for one in got] == [b"0", b"1", b"2"]
    assert [one[0] for one in got] == [b"s.a"] * 3
    assert [reply_numbers(one) for one in got] == [(1, 1, 1, 4), (1, 2, 2, 3), (1, 3, 3, 2)]
    assert house.numbers() == (3, 3, 0, 0, 3, 0, 0, 2)
    house.ack(got[0])
    assert house.numbers() == (3, 3, 1, 1, 2, 0, 0, 2)
    house.ack(got[2])
    assert house.numbers() == (3, 3, 1, 1, 1, 0, 0, 2)
    house.ack(got[1])
    assert house.numbers() == (3, 3, 3, 3, 0, 0, 0, 2)


def test_an_empty_request_and_a_number_are_requests(house: House) -> None:
    house.fill(5)
    house.consumer()
    inbox = house.inbox()
    house.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"", inbox.name)
    assert inbox.payloads() == [b"0"]
    house.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"3", inbox.name)
    assert inbox.payloads() == [b"1", b"2", b"3"]
    house.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"{}", inbox.name)
    assert inbox.payloads() == [b"4"]


def test_a_request_waits_for_messages_that_come(house: House) -> None:
    house.consumer()
    inbox = house.inbox()
    house.pull(inbox, {"batch": 2, "expires": 10**9})
    assert house.info()["num_waiting"] == 1
    house.fill(3)
    assert inbox.payloads() == [b"0", b"1"]
    assert house.info()["num_waiting"] == 0
    assert house.info()["num_pending"] == 1


def test_statuses_of_requests_that_do_not_wait(house: House) -> None:
    house.consumer()
    inbox = house.inbox()
    house.pull(inbox, {"batch": 2, "no_wait": True})
    assert inbox.payloads() == [b"NATS/1.0 404 No Messages"]
    house.fill(1)
    house.pull(inbox, {"batch": 2, "no_wait": True})
    assert inbox.payloads() == [b"0", b"NATS/1.0 404 No Messages"]
    house.pull(inbox, {"batch": 2, "no_wait": True, "expires": 10**9})
    assert inbox.payloads() == []
    house.move(1.1)
    (status,) = inbox.take()
    assert status[2] == (b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 2\r\nNats-Pending-Bytes: 0\r\n\r\n")


def test_a_request_expires_and_says_what_is_missing(house: House) -> None:
    house.fill(1)
    house.consumer()
    inbox = house.inbox()
    house.pull(inbox, {"batch": 3, "expires": 2 * 10**9, "max_bytes": 1000})
    assert [one[3] for one in inbox.take()] == [b"0"]
    house.move(2.1)
    (status,) = inbox.take()
    assert status[2] is not None
    assert status[2].startswith(b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 2\r\nNats-Pending-Bytes: 9")


def test_heartbeats_of_a_request(house: House) -> None:
    house.fill(1)
    house.consumer()
    inbox = house.inbox()
    house.pull(inbox, {"batch": 3, "expires": 10**9, "idle_heartbeat": 4 * 10**8})
    inbox.take()
    house.move(0.5)
    (beat,) = inbox.take()
    assert beat[2] == b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\nNats-Last-Stream: 1\r\n\r\n"
    house.move(0.6)
    assert inbox.payloads() == [b"NATS/1.0 100 Idle Heartbeat", b"NATS/1.0 408 Request Timeout"]


def test_limits_of_requests(house: House) -> None:
    house.consumer(max_batch=5, max_expires=10**9, max_bytes=100, max_waiting=2)
    inbox = house.inbox()
    for body, status in (
        ({"batch": 6}, b"409 Exceeded MaxRequestBatch of 5"),
        ({"batch": 1, "expires": 2 * 10**9}, b"409 Exceeded MaxRequestExpires of 1s"),
        ({"batch": 1, "max_bytes": 101}, b"409 Exceeded MaxRequestMaxBytes of 100"),
        ({"batch": 1, "expires": 10**8, "idle_heartbeat": 10**8}, b"400 Bad Request - heartbeat value too large"),
        ({"batch": 1, "group": "A", "id": "x"}, b"400 Bad Request - Not a Pinned Client Priority consumer"),
        ({"batch": 1, "min_pending": 1}, b"400 Bad Request - Not a Overflow Priority consumer"),
        ({"batch": 1, "priority": 10}, b"400 Bad Request - Priority must be between 0 and 9"),
    ):
        house.pull(inbox, body)
        assert inbox.payloads() == [b"NATS/1.0 " + status]
    house.pull(inbox, {"batch": 1, "expires": 10**9})
    house.pull(inbox, {"batch": 1, "expires": 10**9})
    assert inbox.payloads() == []
    house.pull(inbox, {"batch": 1, "expires": 10**9})
    assert inbox.payloads() == [b"NATS/1.0 409 Exceeded MaxWaiting"]
    house.pull(inbox, {"batch": 1, "expires": 10**9, "idle_heartbeat": 10**8})
    assert inbox.payloads() == []


def test_requests_are_served_in_turn(house: House) -> None:
    house.consumer()
    one, two = house.inbox(), house.inbox()
    house.pull(one, {"batch": 3, "expires": 10**9})
    house.pull(two, {"batch": 3, "expires": 10**9})
    house.fill(4)
    assert one.payloads() == [b"0", b"2"]
    assert two.payloads() == [b"1", b"3"]


def test_a_backlog_is_shared_in_turn_where_it_is_not_enough_for_all(house: House) -> None:
    house.consumer(max_ack_pending=1)
    one, two = house.inbox(), house.inbox()
    house.pull(one, {"batch": 3, "expires": 10**9})
    house.pull(two, {"batch": 3, "expires": 10**9})
    house.fill(4)
    (first,) = one.take()
    house.ack(first)
    (second,) = two.take()
    house.ack(second)
    assert one.payloads() == [b"2"]


def test_a_request_whose_inbox_is_gone_is_dropped(house: House) -> None:
    house.consumer()
    gone, there = house.inbox(), house.inbox()
    house.pull(gone, {"batch": 3, "expires": 10**9})
    gone.close()
    house.pull(there, {"batch": 1, "expires": 10**9})
    house.fill(1)
    assert there.payloads() == [b"0"]
    assert gone.take() == []
    assert house.info()["num_waiting"] == 0


def test_max_bytes_bounds_what_a_request_gets(house: House) -> None:
    house.fill(4)
    house.consumer()
    inbox = house.inbox()
    one = house.fetch(1)[0]
    assert one[1] is not None
    size = len(one[0]) + len(one[1]) + len(one[3])
    house.pull(inbox, {"batch": 10, "max_bytes": size * 2})
    assert inbox.payloads() == [b"1", b"2"]
    house.pull(inbox, {"batch": 10, "max_bytes": 5})
    (status,) = inbox.take()
    assert status[2] == (
        b"NATS/1.0 409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: 10\r\nNats-Pending-Bytes: 5\r\n\r\n"
    )
    house.pull(inbox, {"batch": 1, "max_bytes": 1000})
    payloads = inbox.payloads()
    assert payloads == [b"3", b"NATS/1.0 409 Batch Completed"]


def test_waiting_requests_are_told_when_the_consumer_goes(house: House) -> None:
    house.consumer()
    inbox = house.inbox()
    house.pull(inbox, {"batch": 3, "expires": 10**9})
    assert house.ask("CONSUMER.DELETE.S.C")["success"] is True
    assert inbox.payloads() == [b"NATS/1.0 409 Consumer Deleted"]


def test_a_push_consumer_refuses_requests(house: House) -> None:
    house.consumer(deliver_subject="out")
    inbox = house.inbox()
    house.pull(inbox)
    assert inbox.payloads() == [b"NATS/1.0 409 Consumer is push based"]


def test_overflow_gives_only_what_is_over(house: House) -> None:
    house.consumer(priority_groups=["A"], priority_policy="overflow")
    inbox = house.inbox()
    house.pull(inbox, {"batch": 10, "expires": 10**9, "group": "A", "min_pending": 3})
    house.fill(2)
    assert inbox.payloads() == []
    house.fill(1)
    assert len(inbox.take()) == 1


def test_one_client_is_pinned(house: House) -> None:
    house.consumer(priority_groups=["A"], priority_policy="pinned_client", priority_timeout=10**9)
    one, two = house.inbox(), house.inbox()
    house.pull(one, {"batch": 1, "expires": 10**10, "group": "A"})
    house.pull(two, {"batch": 2, "expires": 10**10, "group": "A"})
    house.fill(1)
    (got,) = one.take()
    assert got[2] is not None
    pin = got[2].split(b"Nats-Pin-Id: ")[1].strip().decode()
    assert house.info()["priority_groups"][0]["pinned_client_id"] == pin
    house.fill(1)
    assert two.take() == []
    house.pull(one, {"batch": 1, "expires": 10**10, "group": "A", "id": pin})
    assert len(one.take()) == 1
    house.pull(two, {"batch": 1, "expires": 10**10, "group": "A", "id": "other"})
    assert two.payloads() == [b"NATS/1.0 423 Nats-Pin-Id mismatch"]
    house.fill(1)
    house.move(1.1)
    assert [one[3] for one in two.take()] == [b"0"]
    assert house.ask("CONSUMER.UNPIN.S.C", {"group": "A"}).get("error") is None
    assert "pinned_client_id" not in house.info()["priority_groups"][0]


def test_lower_priorities_come_first(house: House) -> None:
    house.consumer(priority_groups=["A"], priority_policy="prioritized")
    one, two = house.inbox(), house.inbox()
    house.pull(one, {"batch": 2, "expires": 10**9, "group": "A", "priority": 2})
    house.pull(two, {"batch": 2, "expires": 10**9, "group": "A", "priority": 1})
    house.fill(3)
    assert two.payloads() == [b"0", b"1"]
    assert one.payloads() == [b"2"]


def test_a_request_of_lower_priority_waits_for_a_better_one_that_was_sent_along_with_it(house: House) -> None:
    """Both of a program's streams ask at once, and how far apart that comes is up to the system."""
    house.consumer(priority_groups=["A"], priority_policy="prioritized")
    house.fill(3)
    one, two = house.inbox(), house.inbox()
    for inbox, priority in ((one, 1), (two, 0)):
        body = json.dumps({"batch": 2, "expires": 10**9, "group": "A", "priority": priority}).encode()
        house.account.sublist.publish(b"$JS.API.CONSUMER.MSG.NEXT.S.C", inbox.name.encode(), None, body)
        house.road.settle()
    assert two.payloads() == [b"0", b"1"]
    assert one.payloads() == [b"2"]


def test_a_paused_consumer_delivers_nothing(house: House) -> None:
    told = house.inbox("$JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.C")
    house.fill(1)
    house.consumer()
    answer = house.ask("CONSUMER.PAUSE.S.C", {"pause_until": "2023-11-14T22:13:30Z"})
    assert (answer["paused"], answer["pause_until"]) == (True, "2023-11-14T22:13:30Z")
    assert answer["pause_remaining"] == 10 * 10**9
    inbox = house.inbox()
    house.pull(inbox, {"batch": 1, "expires": 60 * 10**9})
    assert inbox.take() == []
    assert house.info()["paused"] is True
    house.move(10.1)
    assert inbox.payloads() == [b"0"]
    assert "paused" not in house.info()
    events = [json.loads(one[3])["paused"] for one in told.take()]
    assert events == [True, False]


def test_an_unused_ephemeral_consumer_goes(house: House) -> None:
    answer = house.ask("CONSUMER.CREATE.S", {"stream_name": "S", "config": {"ack_policy": "explicit"}})
    assert len(answer["name"]) == 8
    assert answer["config"]["inactive_threshold"] == 5 * 10**9
    assert "durable_name" not in answer["config"]
    house.move(4)
    assert house.ask("CONSUMER.NAMES.S")["consumers"] == [answer["name"]]
    house.move(3)
    assert house.ask("CONSUMER.NAMES.S")["consumers"] == []


def test_a_request_that_is_no_object_needs_no_group(house: House) -> None:
    house.fill(3)
    house.consumer(priority_groups=["A"], priority_policy="overflow")
    inbox = house.inbox()
    house.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"", inbox.name)
    house.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"2", inbox.name)
    house.publish("$JS.API.CONSUMER.MSG.NEXT.S.C", b"{}", inbox.name)
    assert inbox.payloads() == [b"0", b"1", b"2", b"NATS/1.0 400 Bad Request - Priority Group missing"]


def test_a_pause_ends_no_request(house: House) -> None:
    house.fill(3)
    house.consumer(max_ack_pending=1)
    inbox = house.inbox()
    house.pull(inbox, {"batch": 3, "no_wait": True, "expires": 60 * 10**9})
    assert inbox.payloads() == [b"0"]
    told = house.inbox("$JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.C")
    house.ask("CONSUMER.PAUSE.S.C", {"pause_until": "2999-01-01T00:00:00Z"})
    assert inbox.payloads() == []
    assert house.numbers()[6] == 1
    house.consumer(max_ack_pending=1)
    assert len(told.take()) == 2  # whoever sets it up again is told that it rests


def test_room_that_a_message_makes_is_used_when_that_message_is_on_the_disk(house: House) -> None:
    house.stream("T", max_msgs_per_subject=1)
    house.consumer(stream="T", max_ack_pending=1)
    house.publish("t.a", b"first")
    inbox = house.inbox()
    house.pull(inbox, {"batch": 2, "no_wait": True, "expires": 60 * 10**9}, stream="T")
    assert inbox.payloads() == [b"first"]
    house.file.position = 1
    house.publish("t.a", b"second")
    house.move(0.1)
    assert inbox.payloads() == []
    house.file.durable = 1
    assert house.file.on_durable is not None
    house.file.on_durable()
    assert inbox.payloads() == [b"second"]
