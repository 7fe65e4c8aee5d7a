"""What a consumer's configuration may say: the error code of every refusal, defaults, updates."""

from __future__ import annotations

from typing import Any

import pytest

from tests.jetstream.house import House

SECOND = 10**9


@pytest.fixture
def house() -> House:
    house = House()
    house.stream()
    return house


def create(house: House, config: dict[str, Any], stream: str = "S", name: str = "X", **more: object) -> dict[str, Any]:
    return house.ask(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config, **more})


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"durable_name": "Y"}, 10017),
        ({"num_replicas": 3}, 10074),
        ({"num_replicas": -1}, 10133),
        ({"ack_policy": "foo"}, 10025),
        ({"ack_wait": -1}, 10183),
        ({"backoff": [-1]}, 10184),
        ({"backoff": [1, 2], "max_deliver": 1}, 10116),
        ({"description": "x" * 5000}, 10107),
        ({"deliver_subject": "a.*"}, 10079),
        ({"deliver_subject": "a..b"}, 10112),
        ({"deliver_subject": "s.x"}, 10081),
        ({"deliver_subject": "o", "max_waiting": 4}, 10080),
        ({"deliver_subject": "o", "max_ack_pending": 4}, 10082),
        ({"deliver_subject": "o", "idle_heartbeat": 1}, 10083),
        ({"deliver_subject": "o", "flow_control": True}, 10108),
        ({"rate_limit_bps": 1}, 10086),
        ({"idle_heartbeat": SECOND}, 10088),
        ({"flow_control": True}, 10089),
        ({"max_expires": 10}, 10115),
        ({"direct": True}, 10090),
        ({"filter_subject": "a", "filter_subjects": ["b"]}, 10136),
        ({"filter_subjects": [""]}, 10139),
        ({"filter_subjects": ["a.>", "a.b"]}, 10138),
        ({"filter_subjects": ["a", "a"]}, 10138),
        ({"filter_subjects": ["a.*.c", "a.*.*"]}, 10138),
        ({"filter_subjects": ["a.b.>", "a.>"]}, 10138),
        ({"filter_subjects": [">", "a"]}, 10138),
        ({"filter_subject": "a..b"}, 10052),
        ({"deliver_policy": "all", "opt_start_seq": 1}, 10094),
        ({"deliver_policy": "new", "opt_start_time": "2023-01-01T00:00:00Z"}, 10094),
        ({"deliver_policy": "by_start_sequence"}, 10094),
        ({"deliver_policy": "by_start_time"}, 10094),
        ({"deliver_policy": "last_per_subject"}, 10094),
        ({"sample_freq": "x%"}, 10095),
        ({"metadata": {"a": "x" * 200_000}}, 10135),
        ({"priority_policy": "overflow"}, 10159),
        ({"priority_groups": ["A"]}, 10196),
        ({"priority_timeout": 5}, 10197),
        ({"priority_policy": "overflow", "priority_groups": [""]}, 10161),
        ({"priority_policy": "overflow", "priority_groups": ["a b"]}, 10162),
        ({"priority_policy": "overflow", "priority_groups": ["A"], "deliver_subject": "o"}, 10178),
        ({"ack_policy": "flow_control"}, 10218),
        ({"pause_until": "x"}, 10025),
        ({"opt_start_seq": -1}, 10025),
        ({"max_waiting": "a"}, 10025),
        ({"no_such_field": 1}, 10025),
    ],
)
def test_what_may_not_be_is_refused(house: House, config: dict[str, Any], code: int) -> None:
    assert create(house, config)["error"]["err_code"] == code
    assert house.ask("CONSUMER.NAMES.S")["total"] == 0


def test_what_is_not_said_has_a_default(house: House) -> None:
    config = create(house, {"ack_policy": "explicit", "max_deliver": -5, "max_waiting": -1})["config"]
    assert (config["ack_wait"], config["max_deliver"], config["max_waiting"]) == (30 * SECOND, -1, 512)
    assert (config["max_ack_pending"], config["inactive_threshold"]) == (1000, 5 * SECOND)
    assert config["metadata"]["_nats.req.level"] == "0"


def test_pedantic_requests_are_taken_at_their_word(house: House) -> None:
    for config in ({"max_deliver": -5}, {"max_waiting": -1}, {"max_ack_pending": -2}, {"backoff": [5]}):
        assert create(house, config, pedantic=True)["error"]["err_code"] == 10157


def test_a_stream_limits_its_consumers(house: House) -> None:
    house.stream("L", consumer_limits={"max_ack_pending": 10, "inactive_threshold": SECOND}, max_consumers=1)
    assert create(house, {"ack_policy": "explicit", "max_ack_pending": 20}, "L")["error"]["err_code"] == 10121
    assert create(house, {"inactive_threshold": 2 * SECOND}, "L")["error"]["err_code"] == 10153
    assert create(house, {"ack_policy": "explicit"}, "L")["config"]["max_ack_pending"] == 10
    assert create(house, {"ack_policy": "explicit"}, "L", "Y")["error"]["err_code"] == 10026


def test_consumers_of_a_work_queue_share_no_subject(house: House) -> None:
    house.stream("W", retention="workqueue")
    assert create(house, {}, "W")["error"]["err_code"] == 10084
    assert create(house, {"deliver_subject": "o"}, "W")["error"]["err_code"] == 10098
    explicit = {"ack_policy": "explicit"}
    assert create(house, {**explicit, "deliver_policy": "new"}, "W")["error"]["err_code"] == 10101
    assert "error" not in create(house, {**explicit, "filter_subject": "w.a"}, "W")
    assert create(house, explicit, "W", "Y")["error"]["err_code"] == 10099
    assert create(house, {**explicit, "filter_subject": "w.*"}, "W", "Y")["error"]["err_code"] == 10100
    assert "error" not in create(house, {**explicit, "filter_subject": "w.b"}, "W", "Y")


def test_some_things_can_be_changed_and_some_not(house: House) -> None:
    base = {"durable_name": "X", "ack_policy": "explicit"}
    create(house, base)
    changed = create(house, {**base, "ack_wait": SECOND, "max_deliver": 7, "description": "d", "filter_subject": "s.a"})
    assert (changed["config"]["ack_wait"], changed["config"]["filter_subject"]) == (SECOND, "s.a")
    for config in ({"ack_policy": "all"}, {"deliver_policy": "new"}, {"replay_policy": "original"}, {"max_waiting": 3}):
        assert create(house, base | config)["error"]["err_code"] == 10012
    assert create(house, {**base, "description": "e"}, action="create")["error"]["err_code"] == 10148
    assert create(house, base, name="X", action="update")["name"] == "X"
    assert create(house, {}, name="Z", action="update")["error"]["err_code"] == 10149


def test_names_in_subject_and_body_have_to_agree(house: House) -> None:
    for subject, body, code in (
        ("CONSUMER.CREATE.S.X", {"stream_name": "Z"}, 10056),
        ("CONSUMER.CREATE.Z.X", {"stream_name": "Z"}, 10059),
        ("CONSUMER.CREATE.S", {"stream_name": "S", "config": {"durable_name": "D"}}, 10020),
        ("CONSUMER.DURABLE.CREATE.S.X", {"stream_name": "S"}, 10018),
        ("CONSUMER.DURABLE.CREATE.S.X", {"stream_name": "S", "config": {"durable_name": "Q"}}, 10017),
        ("CONSUMER.CREATE.S.X.s.a", {"stream_name": "S", "config": {"filter_subject": "s.b"}}, 10131),
        ("CONSUMER.CREATE.S.X.s.a", {"stream_name": "S", "config": {"filter_subjects": ["s.b"]}}, 10137),
        ("CONSUMER.CREATE.S.a/b", {"stream_name": "S"}, 10127),
        ("CONSUMER.CREATE.S", {"stream_name": "S", "config": {"name": "a.b"}}, 10052),
        ("CONSUMER.CREATE.S." + "n" * 300, {"stream_name": "S"}, 10102),
    ):
        assert house.ask(subject, body)["error"]["err_code"] == code


def test_a_consumer_begins_anew_where_that_may_be(house: House) -> None:
    house.fill(6)
    house.consumer()
    house.ack(house.fetch(4)[0])
    assert house.ask("CONSUMER.RESET.S.C")["reset_seq"] == 2
    assert house.numbers() == (0, 1, 0, 1, 0, 0, 0, 5)
    assert house.ask("CONSUMER.RESET.S.C", {"seq": 5})["num_pending"] == 2
    assert [one[3] for one in house.fetch(9)] == [b"4", b"5"]
    house.consumer("N", deliver_policy="new")
    assert house.ask("CONSUMER.RESET.S.N", {"seq": 1})["error"]["err_code"] == 10204
    assert house.ask("CONSUMER.LEADER.STEPDOWN.S.C")["error"]["err_code"] == 10010


def test_ten_thousand_filters_are_checked_at_once(house: House) -> None:
    filters = [f"s.*.{number}.>" for number in range(10_000)]
    assert create(house, {"filter_subjects": filters})["num_pending"] == 0
    assert create(house, {"filter_subjects": [*filters, "s.a.7.b"]}, name="Y")["error"]["err_code"] == 10138
    narrow = ["s.a.*", "s.*.b", "s.a.b.*", "s.*.b.c"]
    assert "error" not in create(house, {"filter_subjects": narrow}, name="Z")
