"""Push consumers: interest, flow control, heartbeats, pace."""

from __future__ import annotations

import json

import pytest

from natsd.jetstream.consumers.push import FIRST_WINDOW_BYTES
from tests.jetstream.house import House, reply_numbers


@pytest.fixture
def house() -> House:
    house = House()
    house.stream()
    return house


def test_messages_go_to_whoever_listens(house: House) -> None:
    out = house.inbox("out")
    house.fill(2)
    house.consumer(deliver_subject="out")
    house.fill(1)
    got = out.take()
    assert [one[3] for one in got] == [b"0", b"1", b"0"]
    assert [reply_numbers(one) for one in got] == [(1, 1, 1, 1), (1, 2, 2, 0), (1, 3, 3, 0)]
    assert house.info()["push_bound"] is True
    assert house.numbers() == (3, 3, 0, 0, 3, 0, 0, 0)


def test_delivery_stops_while_nobody_listens(house: House) -> None:
    out = house.inbox("out")
    house.consumer(deliver_subject="out")
    house.fill(1)
    assert len(out.take()) == 1
    out.close()
    house.fill(2)
    assert house.numbers() == (1, 1, 0, 0, 1, 0, 0, 2)
    assert "push_bound" not in house.info()
    out = house.inbox("out")
    house.move(0.2)
    assert [one[3] for one in out.take()] == [b"0", b"1"]


def test_a_consumer_that_waits_for_somebody_to_listen_uses_no_time(house: House) -> None:
    house.consumer(deliver_subject="out", durable_name="C", ack_policy="none")
    house.fill(1)
    other = house.inbox("elsewhere")
    other.close()
    assert house.clock.timers.due_ns() is None
    out = house.inbox("out")
    house.move(0)
    assert out.payloads() == [b"0"]
    out.close()
    house.move(0)
    assert "push_bound" not in house.info()
    assert house.clock.timers.due_ns() is None


def test_a_consumer_whose_deliver_subject_changed_hears_of_the_new_one(house: House) -> None:
    config = house.consumer(deliver_subject="out", durable_name="C")["config"]
    house.ask("CONSUMER.DURABLE.CREATE.S.C", {"stream_name": "S", "config": config | {"deliver_subject": "new"}})
    house.fill(1)
    old, new = house.inbox("out"), house.inbox("new")
    house.move(0)
    assert (old.take(), new.payloads()) == ([], [b"0"])


def test_a_deliver_group_needs_its_members(house: House) -> None:
    house.inbox("out")
    house.fill(1)
    house.consumer(deliver_subject="out", deliver_group="workers")
    assert house.info()["num_pending"] == 1
    member = house.inbox("out", "workers")
    house.move(0.2)
    assert len(member.take()) == 1


def test_heartbeats_come_only_when_nothing_else_does(house: House) -> None:
    out = house.inbox("out")
    house.consumer(deliver_subject="out", idle_heartbeat=10**9)
    house.move(0.8)
    house.fill(1)
    house.move(0.8)
    assert [one[3] for one in out.take()] == [b"0"]
    house.move(0.3)
    (beat,) = out.take()
    assert beat[2] == b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\nNats-Last-Stream: 1\r\n\r\n"


def test_flow_control_holds_messages_back_until_it_is_answered(house: House) -> None:
    out = house.inbox("out")
    payload = bytes(64 * 1024)
    for _ in range(80):
        house.publish("s.a", payload)
    house.consumer(deliver_subject="out", flow_control=True, idle_heartbeat=10**9, ack_policy="none")
    got = out.take()
    requests = [one for one in got if one[2] is not None and b"FlowControl Request" in one[2]]
    assert len(requests) == 1
    sent = sum(len(one[3]) for one in got)
    assert FIRST_WINDOW_BYTES - len(payload) < sent <= FIRST_WINDOW_BYTES + len(payload)
    assert requests[0][1] is not None
    assert requests[0][1].startswith(b"$JS.FC.S.C.")
    house.move(1.1)
    (beat,) = out.take()
    assert beat[2] is not None
    assert b"Nats-Consumer-Stalled: " + requests[0][1] in beat[2]
    house.publish(requests[0][1].decode())
    more = out.take()
    assert len(more) > 20
    assert house.home.streams["S"].consumers["C"].push.window == 2 * FIRST_WINDOW_BYTES  # type: ignore[attr-defined]


def test_only_headers_are_sent_where_that_is_asked(house: House) -> None:
    out = house.inbox("out")
    house.publish("s.a", b"hello")
    house.publish("s.a", b"hello", header=b"NATS/1.0\r\nA: 1\r\n\r\n")
    house.consumer(deliver_subject="out", headers_only=True)
    assert [(one[2], one[3]) for one in out.take()] == [
        (b"NATS/1.0\r\nNats-Msg-Size: 5\r\n\r\n", b""),
        (b"NATS/1.0\r\nA: 1\r\nNats-Msg-Size: 5\r\n\r\n", b""),
    ]


def test_the_original_pace_is_kept(house: House) -> None:
    out = house.inbox("out")
    for payload in (b"0", b"1", b"2"):
        house.publish("s.a", payload)
        house.move(1)
    house.consumer(deliver_subject="out", replay_policy="original")
    assert [one[3] for one in out.take()] == [b"0"]
    house.move(0.9)
    assert out.take() == []
    house.move(0.2)
    assert [one[3] for one in out.take()] == [b"1"]
    house.move(1)
    assert [one[3] for one in out.take()] == [b"2"]
    house.publish("s.a", b"3")
    assert [one[3] for one in out.take()] == [b"3"]


def test_no_more_bits_per_second_than_allowed(house: House) -> None:
    house.stream("R", max_msg_size=1000)
    out = house.inbox("out")
    for _ in range(10):
        house.publish("r.a", bytes(900))
    house.consumer(stream="R", deliver_subject="out", rate_limit_bps=8000, ack_policy="none")
    assert len(out.take()) == 1
    house.move(1.05)
    assert len(out.take()) == 1
    house.move(5)
    assert 4 <= len(out.take()) <= 6


def test_an_ephemeral_consumer_goes_when_nobody_listens(house: House) -> None:
    told = house.inbox("$JS.EVENT.ADVISORY.CONSUMER.*.S.*")
    out = house.inbox("out")
    config = {"deliver_subject": "out", "inactive_threshold": 10**9}
    answer = house.ask("CONSUMER.CREATE.S", {"stream_name": "S", "config": config})
    house.move(3)
    assert house.ask("CONSUMER.NAMES.S")["consumers"] == [answer["name"]]
    out.close()
    house.move(1.2)
    assert house.ask("CONSUMER.NAMES.S")["consumers"] == []
    assert [json.loads(one[3])["action"] for one in told.take()] == ["create", "delete"]


def test_another_deliver_subject_gets_what_is_pending_again(house: House) -> None:
    out = house.inbox("out")
    house.fill(2)
    house.consumer(deliver_subject="out")
    assert len(out.take()) == 2
    out.close()
    other = house.inbox("other")
    house.consumer(deliver_subject="other")
    assert [reply_numbers(one)[:2] for one in other.take()] == [(2, 1), (2, 2)]


@pytest.mark.parametrize(
    ("config", "payloads"),
    [
        ({"deliver_policy": "all"}, [b"0", b"1", b"2", b"3", b"4"]),
        ({"deliver_policy": "last"}, [b"4"]),
        ({"deliver_policy": "new"}, []),
        ({"deliver_policy": "by_start_sequence", "opt_start_seq": 4}, [b"3", b"4"]),
        ({"deliver_policy": "by_start_time", "opt_start_time": "2023-11-14T22:13:23Z"}, [b"3", b"4"]),
        ({"deliver_policy": "last_per_subject", "filter_subject": "s.*"}, [b"3", b"4"]),
        ({"deliver_policy": "last", "filter_subject": "s.0"}, [b"4"]),
        ({"filter_subjects": ["s.0", "s.9"]}, [b"0", b"2", b"4"]),
    ],
)
def test_where_a_consumer_begins(house: House, config: dict[str, object], payloads: list[bytes]) -> None:
    for i in range(5):
        house.publish(f"s.{i % 2}", b"%d" % i)
        house.move(1)
    out = house.inbox("out")
    answer = house.consumer(deliver_subject="out", ack_policy="none", **config)
    assert answer["num_pending"] == len(payloads)
    assert [one[3] for one in out.take()] == payloads
    assert house.info()["num_pending"] == 0
    house.publish("s.0", b"more")
    assert [one[3] for one in out.take()] == [b"more"]


def test_last_ones_of_subjects_that_go_meanwhile_are_left_out(house: House) -> None:
    for i in range(6):
        house.publish(f"s.{i}", b"%d" % i)
    house.consumer(deliver_policy="last_per_subject", filter_subject="s.*")
    assert [one[3] for one in house.fetch(2)] == [b"0", b"1"]
    house.ask("STREAM.MSG.DELETE.S", {"seq": 4})
    assert house.info()["num_pending"] == 3
    house.fill(1, "s.9")
    assert [one[3] for one in house.fetch(9)] == [b"2", b"4", b"5", b"0"]


def test_very_many_messages_go_out_in_turns(house: House) -> None:
    out = house.inbox("out")
    for _ in range(100):
        batch = [(b"s.a", None, None, b"x")] * 100
        house.home.streams["S"].publishing.take(batch)
    house.consumer(deliver_subject="out", ack_policy="none")
    assert len(out.take()) == 10_000
    assert house.numbers() == (10_000, 10_000, 10_000, 10_000, 0, 0, 0, 0)
