"""Acknowledgements: what they do to the numbers, to redelivery, and what is answered."""

from __future__ import annotations

import json

import pytest

from natsd.jetstream.consumers.consumer import Consumer
from tests.jetstream.house import House, reply_numbers


@pytest.fixture
def house() -> House:
    house = House()
    house.stream()
    return house


def test_an_acknowledgement_with_a_reply_is_answered(house: House) -> None:
    house.fill(1)
    house.consumer()
    (got,) = house.fetch(1)
    inbox = house.inbox()
    assert got[1] is not None
    house.publish(got[1].decode(), b"+ACK", inbox.name)
    assert inbox.take() == [(inbox.name.encode(), None, None, b"")]
    house.publish(got[1].decode(), b"", inbox.name)
    assert len(inbox.take()) == 1


def test_nobody_answers_for_a_consumer_that_is_not_there(house: House) -> None:
    inbox = house.inbox()
    house.publish("$JS.ACK.S.C.1.1.1.1.0", b"+ACK", inbox.name)
    assert inbox.payloads() == [b"NATS/1.0 503"]


def test_a_message_that_was_never_delivered_cannot_be_acknowledged(house: House) -> None:
    house.fill(3)
    house.consumer()
    house.fetch(1)
    inbox = house.inbox()
    house.publish("$JS.ACK.S.C.1.2.2.1.0", b"+ACK", inbox.name)
    assert inbox.take() == []
    assert house.numbers() == (1, 1, 0, 0, 1, 0, 0, 2)


def test_acknowledging_all_up_to_one(house: House) -> None:
    house.fill(5)
    house.consumer(ack_policy="all")
    got = house.fetch(4)
    house.ack(got[2])
    assert house.numbers() == (4, 4, 3, 3, 1, 0, 0, 1)
    house.ack(got[1])
    assert house.numbers() == (4, 4, 3, 3, 1, 0, 0, 1)
    house.ack(got[3])
    assert house.numbers() == (4, 4, 4, 4, 0, 0, 0, 1)


def test_what_is_not_acknowledged_in_time_comes_again(house: House) -> None:
    house.fill(3)
    house.consumer(ack_wait=10**9)
    got = house.fetch(2)
    house.ack(got[0])
    house.move(1.1)
    assert house.numbers() == (2, 2, 1, 1, 1, 0, 0, 1)
    again = house.fetch(2)
    assert [reply_numbers(one) for one in again] == [(2, 2, 3, 1), (1, 3, 4, 0)]
    assert house.numbers() == (4, 3, 1, 1, 2, 1, 0, 0)
    house.ack(again[0])
    assert house.numbers() == (4, 3, 3, 2, 1, 0, 0, 0)
    house.ack(again[1])
    assert house.numbers() == (4, 3, 4, 3, 0, 0, 0, 0)


def test_a_waiting_request_gets_what_is_due_again(house: House) -> None:
    house.fill(1)
    house.consumer(ack_wait=10**9)
    house.fetch(1)
    inbox = house.inbox()
    house.pull(inbox, {"batch": 1, "expires": 10**10})
    house.move(1.1)
    (again,) = inbox.take()
    assert reply_numbers(again) == (2, 1, 2, 0)


def test_each_backoff_has_its_turn(house: House) -> None:
    house.fill(1)
    house.consumer(backoff=[10**9, 3 * 10**9], max_deliver=4)
    inbox = house.inbox()
    house.pull(inbox, {"batch": 4, "expires": 60 * 10**9})
    inbox.take()
    house.move(1.1)
    assert len(inbox.take()) == 1
    house.move(2.5)
    assert inbox.take() == []
    house.move(0.6)
    assert len(inbox.take()) == 1


def test_a_refused_message_comes_again_at_once_or_later(house: House) -> None:
    told = house.inbox("$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.C")
    house.fill(3)
    house.consumer()
    first, second, third = house.fetch(3)
    house.ack(first, b"-NAK")
    house.ack(second, b'-NAK {"delay": 2000000000}')
    house.ack(third, b"-NAK 1s")
    assert [reply_numbers(one)[:2] for one in house.fetch(3)] == [(2, 1)]
    house.move(1.1)
    assert [reply_numbers(one)[:2] for one in house.fetch(3)] == [(2, 3)]
    house.move(1)
    assert [reply_numbers(one)[:2] for one in house.fetch(3)] == [(2, 2)]
    assert [json.loads(one[3])["stream_seq"] for one in told.take()] == [1, 2, 3]


def test_progress_makes_it_wait_longer(house: House) -> None:
    house.fill(1)
    house.consumer(ack_wait=10**9)
    (got,) = house.fetch(1)
    house.move(0.8)
    house.ack(got, b"+WPI")
    house.move(0.8)
    assert house.fetch(1) == []
    house.move(0.3)
    assert len(house.fetch(1)) == 1


def test_a_terminated_message_never_comes_again(house: House) -> None:
    told = house.inbox("$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.S.C")
    house.fill(1)
    house.consumer(ack_wait=10**9)
    (got,) = house.fetch(1)
    house.ack(got, b"+TERM no good")
    assert house.numbers() == (1, 1, 1, 1, 0, 0, 0, 0)
    house.move(2)
    assert house.fetch(1) == []
    (event,) = told.take()
    assert json.loads(event[3])["reason"] == "no good"


def test_acknowledging_and_asking_for_the_next(house: House) -> None:
    house.fill(3)
    house.consumer()
    (got,) = house.fetch(1)
    inbox = house.inbox()
    assert got[1] is not None
    house.publish(got[1].decode(), b'+NXT {"batch": 2}', inbox.name)
    assert inbox.payloads() == [b"1", b"2"]
    assert house.numbers() == (3, 3, 1, 1, 2, 0, 0, 0)


def test_a_message_is_given_up_after_so_many_deliveries(house: House) -> None:
    told = house.inbox("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C")
    house.fill(2)
    house.consumer(ack_wait=10**9, max_deliver=2)
    inbox = house.inbox()
    house.pull(inbox, {"batch": 10, "expires": 60 * 10**9})
    house.move(5)
    assert [reply_numbers(one)[:2] for one in inbox.take()] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    events = [json.loads(one[3]) for one in told.take()]
    assert [(event["stream_seq"], event["deliveries"]) for event in events] == [(1, 2), (2, 2)]
    assert house.numbers() == (4, 2, 4, 2, 0, 2, 1, 0)


def test_no_more_than_so_many_wait_to_be_acknowledged(house: House) -> None:
    house.fill(5)
    house.consumer(max_ack_pending=2)
    inbox = house.inbox()
    house.pull(inbox, {"batch": 5, "expires": 60 * 10**9})
    first, second = inbox.take()
    house.ack(second)
    assert [one[3] for one in inbox.take()] == [b"2"]
    house.ack(first)
    assert [one[3] for one in inbox.take()] == [b"3"]


def test_a_pending_message_that_is_deleted_counts_no_more(house: House) -> None:
    house.fill(3)
    house.consumer()
    house.fetch(2)
    house.ask("STREAM.MSG.DELETE.S", {"seq": 1})
    assert house.numbers() == (2, 2, 1, 1, 1, 0, 0, 1)
    house.ask("STREAM.MSG.DELETE.S", {"seq": 3})
    assert house.numbers() == (2, 2, 1, 1, 1, 0, 0, 0)


def test_a_purge_moves_the_numbers(house: House) -> None:
    house.fill(5)
    house.consumer()
    house.fetch(2)
    house.ask("STREAM.PURGE.S")
    assert house.numbers() == (2, 5, 2, 5, 0, 0, 0, 0)
    house.fill(1)
    assert [reply_numbers(one) for one in house.fetch(1)] == [(1, 6, 3, 0)]


def test_sampled_acknowledgements_are_told_of(house: House) -> None:
    told = house.inbox("$JS.EVENT.METRIC.CONSUMER.ACK.S.C")
    house.fill(1)
    house.consumer(sample_freq="100%")
    (got,) = house.fetch(1)
    house.move(0.5)
    house.ack(got)
    (event,) = told.take()
    page = json.loads(event[3])
    assert page["type"] == "io.nats.jetstream.metric.v1.consumer_ack"
    assert (page["ack_time"], page["deliveries"], page["stream_seq"]) == (500_000_000, 1, 1)


def test_a_work_queue_loses_what_is_acknowledged(house: House) -> None:
    house.stream("W", retention="workqueue")
    house.fill(3, "w.a")
    house.consumer(stream="W")
    first, second, _ = house.fetch(3, stream="W")
    house.ack(second)
    assert house.ask("STREAM.INFO.W")["state"]["messages"] == 2
    house.ack(first, b"+TERM")
    assert house.ask("STREAM.INFO.W")["state"]["messages"] == 1
    assert house.numbers(stream="W") == (3, 3, 2, 2, 1, 0, 0, 0)


def test_an_interest_stream_keeps_what_somebody_needs(house: House) -> None:
    house.stream("I", retention="interest")
    house.consumer("A", "I")
    house.consumer("B", "I", ack_policy="all")
    house.fill(3, "i.a")
    for got in house.fetch(3, "A", "I"):
        house.ack(got)
    assert house.ask("STREAM.INFO.I")["state"]["messages"] == 3
    house.ack(house.fetch(2, "B", "I")[1])
    assert house.ask("STREAM.INFO.I")["state"]["messages"] == 1
    house.ask("CONSUMER.DELETE.I.B")
    assert house.ask("STREAM.INFO.I")["state"]["messages"] == 0


def test_a_confirmed_acknowledgement_outlives_a_crash(house: House) -> None:
    house.fill(6)
    house.consumer(ack_wait=10**9)
    got = house.fetch(4)
    house.ack(got[0])
    house.ack(got[2])
    house.move(1.1)
    house.fetch(1)
    before = house.numbers()
    assert before == (5, 4, 1, 1, 2, 1, 0, 2)
    house.reopen()
    assert house.numbers() == before
    house.move(1.1)
    assert [reply_numbers(one)[:2] for one in house.fetch(10)] == [(3, 2), (2, 4), (1, 5), (1, 6)]


def test_the_longer_form_of_acknowledgement_subjects_is_understood(house: House) -> None:
    house.fill(2)
    house.consumer()
    house.fetch(2)
    house.publish("$JS.ACK._.HASH.S.C.1.1.1.1700000000.1", b"+ACK")
    assert house.numbers() == (2, 2, 1, 1, 1, 0, 0, 0)
    house.publish("$JS.ACK._.HASH.S.C.1.2.2.1700000000.1.more", b"+TERM")
    assert house.numbers() == (2, 2, 2, 2, 0, 0, 0, 0)


def test_what_is_no_acknowledgement_changes_nothing(house: House) -> None:
    house.fill(1)
    house.consumer()
    house.fetch(1)
    inbox = house.inbox()
    for subject in ("$JS.ACK.S.C.1", "$JS.ACK.S.X.1.1.1.1.0", "$JS.ACK._.HASH.S.X.1.1.1.1.0"):
        house.publish(subject, b"+ACK", inbox.name)
        assert inbox.payloads() == [b"NATS/1.0 503"]
    for subject in ("$JS.ACK.S.C.1.x.1.1.0", "$JS.ACK.S.C.x.y.z.1.0"):
        house.publish(subject, b"+ACK", inbox.name)
        house.publish(subject, b"-NAK", inbox.name)
        assert inbox.take() == []
    assert house.numbers() == (1, 1, 0, 0, 1, 0, 0, 0)


def test_a_delay_that_cannot_be_read_is_none(house: House) -> None:
    house.fill(4)
    house.consumer()
    delays = (b' {"delay": 99999999999999999999999}', b" soon", b' {"delay": "x"}', b' {"delay": 0}')
    for got, delay in zip(house.fetch(4), delays, strict=True):
        house.ack(got, b"-NAK" + delay)
    house.move(0.1)
    assert sorted(reply_numbers(one)[1] for one in house.fetch(9)) == [1, 2, 3, 4]
    assert len([line for line in house.log.lines if "bad delay" in line]) == 3


def test_a_sample_tells_how_a_message_was_delivered_last(house: House) -> None:
    told = house.inbox("$JS.EVENT.METRIC.CONSUMER.ACK.S.C")
    house.fill(3)
    house.consumer(sample_freq="100")
    first, second, third = house.fetch(3)
    house.ack(second, b"+TERM")
    assert told.take() == []
    house.ack(first, b"-NAK")
    (again,) = house.fetch(1)
    house.ack(again)
    house.ack(third)
    events = [json.loads(one[3]) for one in told.take()]
    assert [(event["stream_seq"], event["consumer_seq"], event["deliveries"]) for event in events] == [
        (1, 4, 2),
        (3, 3, 1),
    ]


@pytest.mark.parametrize("policy", ["explicit", "all"])
def test_what_is_kept_for_samples_goes_with_the_messages(house: House, policy: str) -> None:
    house.fill(6)
    house.consumer(sample_freq="100", max_deliver=1, ack_policy=policy, ack_wait=10**9)
    got = house.fetch(6)
    house.ack(got[0])
    house.ask("STREAM.MSG.DELETE.S", {"seq": 2})
    house.ask("STREAM.PURGE.S", {"seq": 5})
    house.move(2)  # the others are given up
    consumer = house.home.streams["S"].consumers["C"]
    assert isinstance(consumer, Consumer)
    assert consumer._sampled == {}


def test_a_request_with_an_acknowledgement_has_its_place_before_the_room_is_used(house: House) -> None:
    house.fill(4)
    house.consumer(max_ack_pending=1, max_waiting=1)
    inbox, other = house.inbox(), house.inbox()
    house.pull(inbox, {"batch": 3, "expires": 60 * 10**9})
    (got,) = inbox.take()
    assert got[1] is not None
    house.publish(got[1].decode(), b"+NXT", other.name)
    assert other.payloads() == [b"NATS/1.0 409 Exceeded MaxWaiting"]
    assert inbox.payloads() == [b"1"]
