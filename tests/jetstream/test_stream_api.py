"""Requests about streams, and what a configuration may say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.jetstream.house import House
from tests.jetstream.test_publishing import put

S = 10**9


@pytest.fixture
def house() -> House:
    return House()


def code(answer: dict[str, Any]) -> int:
    found: int = answer["error"]["err_code"]
    return found


def test_defaults_are_filled_in(house: House) -> None:
    config = house.ask("STREAM.CREATE.A", {"name": "A"})["config"]
    metadata = config.pop("metadata")
    assert set(metadata) == {"_nats.req.level", "_nats.ver", "_nats.level"}
    assert config == {
        "name": "A",
        "subjects": ["A"],
        "retention": "limits",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "discard": "old",
        "storage": "file",
        "num_replicas": 1,
        "duplicate_window": 120 * S,
        "compression": "none",
        "allow_direct": False,
        "mirror_direct": False,
        "sealed": False,
        "deny_delete": False,
        "deny_purge": False,
        "allow_rollup_hdrs": False,
        "allow_msg_ttl": False,
        "consumer_limits": {},
    }


def test_the_same_again_is_no_error_and_another_is(house: House) -> None:
    house.stream("A")
    assert house.stream("A")["did_create"] is True
    assert code(house.ask("STREAM.CREATE.A", {"name": "A", "subjects": ["a.>"], "max_msgs": 5})) == 10058
    assert code(house.ask("STREAM.CREATE.B", {"name": "B", "subjects": ["a.b"]})) == 10065


@pytest.mark.parametrize(
    ("config", "found", "text"),
    [
        ({"subjects": ["a b"]}, 10052, "invalid subject"),
        ({"subjects": ["a..b"]}, 10052, "invalid subject"),
        ({"subjects": ["a", "a"]}, 10052, 'subject "a" overlaps with "a"'),
        ({"subjects": ["a.*", "a.b"]}, 10052, 'subject "a.*" overlaps with "a.b"'),
        ({"subjects": [">"]}, 10052, "capturing all subjects requires no-ack to be true"),
        ({"subjects": ["$JS.API.>"]}, 10052, "subjects that overlap with jetstream api require no-ack to be true"),
        ({"subjects": ["$SYS.>"]}, 10052, "subjects that overlap with system api require no-ack to be true"),
        ({"max_age": -1}, 10052, "max age can not be negative"),
        ({"max_age": 1}, 10052, "max age needs to be >= 100ms"),
        ({"duplicate_window": -1}, 10052, "duplicates window can not be negative"),
        ({"duplicate_window": 1}, 10052, "duplicates window needs to be >= 100ms"),
        ({"max_age": S, "duplicate_window": 2 * S}, 10052, "duplicates window can not be larger then max age"),
        ({"num_replicas": 3}, 10074, "replicas > 1 not supported in non-clustered mode"),
        ({"num_replicas": 6}, 10052, "maximum replicas is 5"),
        ({"num_replicas": -1}, 10133, "replicas count cannot be negative"),
        ({"description": "x" * 4097}, 10052, "stream description is too long, maximum allowed is 4096"),
        ({"metadata": {"x": "y" * (1 << 17)}}, 10052, "stream metadata exceeds maximum size of 131072 bytes"),
        ({"sealed": True}, 10052, "stream configuration for create can not be sealed"),
        ({"mirror_direct": True}, 10052, "stream has no mirror but does have mirror direct"),
        ({"deny_purge": True, "allow_rollup_hdrs": True}, 10052, "roll-ups require the purge permission"),
        ({"discard_new_per_subject": True}, 10052, "discard new per subject requires discard new policy to be set"),
        (
            {"discard": "new", "discard_new_per_subject": True},
            10052,
            "discard new per subject requires max msgs per subject > 0",
        ),
        ({"subject_delete_marker_ttl": 5}, 10052, "subject delete marker TTL must be at least 1 second"),
        ({"subject_delete_marker_ttl": -5}, 10052, "subject delete marker TTL must not be negative"),
        ({"republish": {"src": "x", "dest": "A"}}, 10052, "republish destination forms a cycle"),
        ({"placement": {"preferred": "x"}}, 10052, "preferred server not permitted in placement"),
        ({"mirror": {"name": "B"}, "subjects": ["x"]}, 10034, "stream mirrors can not contain subjects"),
        ({"mirror": {"name": "B"}, "sources": [{"name": "C"}]}, 10031, "can not also contain other sources"),
        ({"mirror": {"name": "B"}, "first_seq": 2}, 10143, "can not have first sequence configured"),
        ({"mirror": {"name": "A"}}, 10052, "detected cycle"),
        ({"sources": [{"name": "A"}]}, 10052, "detected cycle"),
        ({"sources": [{"name": "B"}, {"name": "B"}]}, 10140, "duplicate"),
        ({"sources": [{"name": ""}]}, 10141, "name is invalid"),
        (
            {"sources": [{"name": "B", "filter_subject": "x", "subject_transforms": [{"src": "y"}]}]},
            10144,
            "cannot also have a single subject filter",
        ),
        ({"mirror": {"name": "B", "external": {"api": "$JS.API"}}}, 10021, "must not overlap with $JS.API"),
        ({"mirror": {"name": "B", "external": {"api": "x", "deliver": "d.*"}}}, 10024, "must not contain wildcards"),
        ({"subject_transform": {"src": "x", "dest": "$1"}}, 10156, "stream transform"),
        ({"subject_transform": {"src": "x..", "dest": "y"}}, 10155, "invalid subject x.."),
        ({"persist_mode": "async", "storage": "memory"}, 10052, "only supported on file storage"),
        ({"nonsense": 1}, 10025, 'invalid JSON: json: unknown field "nonsense"'),
        ({"retention": "x"}, 10025, "invalid JSON"),
        ({"max_msgs": "x"}, 10025, "invalid JSON"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(
    house: House, config: dict[str, object], found: int, text: str
) -> None:
    answer = house.ask("STREAM.CREATE.A", {"name": "A", **config})
    assert code(answer) == found
    assert text in answer["error"]["description"]
    assert not house.home.streams


@pytest.mark.parametrize("name", ["max_msgs", "max_msgs_per_subject", "max_bytes", "max_msg_size", "max_consumers"])
def test_the_pedantic_hear_of_what_would_be_filled_in(house: House, name: str) -> None:
    answer = house.ask("STREAM.CREATE.A", {"name": "A", "pedantic": True, name: -5})
    assert answer["error"]["description"] == f"pedantic mode: {name} must be set to -1"
    assert house.ask("STREAM.CREATE.A", {"name": "A", name: -5})["config"][name] == -1


@pytest.mark.parametrize("name", ["", "a.b", "a b", "a*", "a>", "a\\b", "a/b", "a\tb", "x" * 256])
def test_streams_have_names_of_one_token(house: House, name: str) -> None:
    subject = f"STREAM.CREATE.{name}" if name and not set(" .\t*>") & set(name) else "STREAM.CREATE.x"
    assert code(house.ask(subject, {"name": name})) in (10052, 10056, 10128)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"storage": "memory"}, "can not change storage type"),
        ({"retention": "workqueue"}, "can not change retention policy to/from workqueue"),
        ({"sealed": False}, "can not unseal a sealed stream"),
        ({"sealed": True, "deny_delete": True, "max_consumers": 5}, ""),
        ({"deny_purge": False}, "can not cancel deny purge"),
        ({"deny_delete": False}, "can not cancel deny message deletes"),
        ({"allow_msg_ttl": False}, "message TTL status can not be disabled"),
        ({"num_replicas": 2}, "replicas > 1 not supported"),
        ({"subjects": ["b.x"]}, "subjects overlap with an existing stream"),
    ],
)
def test_an_update_keeps_what_may_not_change(house: House, change: dict[str, object], text: str) -> None:
    house.stream("B")
    base: dict[str, object] = {"name": "A", "subjects": ["a"]}
    if "deny" in text:
        base |= {"deny_purge": True, "deny_delete": True}
    if "TTL" in text:
        base |= {"allow_msg_ttl": True}
    house.stream(**base)
    if "unseal" in text:
        base["sealed"] = True
        assert "error" not in house.ask("STREAM.UPDATE.A", base)
        base |= {"deny_purge": True, "deny_delete": True}
    answer = house.ask("STREAM.UPDATE.A", base | change)
    assert ("error" in answer) == bool(text), answer
    if text:
        assert text in answer["error"]["description"]


def test_an_update_of_subjects_takes_effect(house: House) -> None:
    house.stream("A")
    house.ask("STREAM.UPDATE.A", {"name": "A", "subjects": ["x"]})
    assert put(house, "a.1") == {}
    assert put(house, "x")["seq"] == 1
    assert house.stream("B", subjects=["a.>"])["config"]["subjects"] == ["a.>"]


def test_what_is_not_there_cannot_be_asked_about(house: House) -> None:
    for what in ("STREAM.INFO.X", "STREAM.DELETE.X", "STREAM.PURGE.X"):
        assert code(house.ask(what)) == 10059
    assert code(house.ask("STREAM.UPDATE.X", {"name": "X"})) == 10059
    assert code(house.ask("STREAM.MSG.GET.X", {"seq": 1})) == 10059
    assert code(house.ask("STREAM.MSG.DELETE.X", {"seq": 1})) == 10059


def test_a_deleted_stream_is_gone(house: House) -> None:
    house.stream("A", allow_direct=True)
    put(house, "a.1")
    assert code(house.ask("STREAM.DELETE.A", {"x": 1})) == 10038
    assert house.ask("STREAM.DELETE.A") == {
        "type": "io.nats.jetstream.api.v1.stream_delete_response",
        "success": True,
    }
    assert put(house, "a.1") == {}
    assert house.home.used == {"file": 0, "memory": 0}
    house.reopen()
    assert house.ask("STREAM.NAMES")["streams"] is None


def test_streams_are_there_after_a_restart(house: House) -> None:
    before = house.stream("A", max_msgs=5, metadata={"a": "b"})
    house.stream("B", storage="memory")
    for _ in range(7):
        put(house, "a.1")
    house.reopen()
    after = house.ask("STREAM.INFO.A")
    assert after["config"] == before["config"]
    assert after["created"] == before["created"]
    assert (after["state"]["messages"], after["state"]["last_seq"]) == (5, 7)
    assert house.ask("STREAM.NAMES")["streams"] == ["A"]


def test_names_and_lists_come_in_pages(house: House) -> None:
    for number in range(300):
        house.stream(f"S{number:04}", subjects=[f"s.{number}"])
    page = house.ask("STREAM.LIST")
    assert (page["total"], page["offset"], page["limit"], len(page["streams"])) == (300, 0, 256, 256)
    page = house.ask("STREAM.LIST", {"offset": 256})
    assert [len(page["streams"]), page["streams"][0]["config"]["name"]] == [44, "S0256"]
    assert len(house.ask("STREAM.NAMES", {"offset": 299})["streams"]) == 1
    assert house.ask("STREAM.NAMES", {"offset": 9999})["streams"] is None
    assert house.ask("STREAM.NAMES", {"subject": "s.7"})["streams"] == ["S0007"]


def test_subjects_of_a_stream_are_counted(house: House) -> None:
    house.stream("A")
    for subject in ("a.1", "a.2", "a.1"):
        put(house, subject)
    page = house.ask("STREAM.INFO.A", {"subjects_filter": "a.*"})
    assert (page["state"]["subjects"], page["total"], page["limit"]) == ({"a.1": 2, "a.2": 1}, 2, 100_000)
    page = house.ask("STREAM.INFO.A", {"subjects_filter": "a.*", "offset": 1})
    assert page["state"]["subjects"] == {"a.2": 1}
    assert "subjects" not in house.ask("STREAM.INFO.A")["state"]


def test_an_account_sees_what_it_uses(house: House) -> None:
    house.home.limits.max_streams = 2
    house.home.limits.max_storage = 10_000
    house.stream("A", max_bytes=6_000)
    answer = house.ask("STREAM.CREATE.B", {"name": "B", "max_bytes": 6_000})
    assert code(answer) == 10047
    house.stream("B", max_bytes=1_000)
    assert code(house.ask("STREAM.CREATE.C", {"name": "C"})) == 10027
    put(house, "a.1")
    info = house.ask("INFO")
    assert (info["streams"], info["reserved_storage"], info["limits"]["max_storage"]) == (2, 7_000, 10_000)
    assert info["storage"] == house.home.used["file"] > 0
    assert info["api"]["errors"] == 2
    assert "error" not in house.ask("STREAM.UPDATE.A", {"name": "A", "subjects": ["a.>"], "max_bytes": 9_000})
    assert code(house.ask("STREAM.UPDATE.A", {"name": "A", "subjects": ["a.>"], "max_bytes": 9_001})) == 10047


def test_streams_may_have_to_say_how_large_they_get(house: House) -> None:
    house.home.limits.max_bytes_required = True
    house.home.limits.storage_max_stream_bytes = 100
    assert code(house.ask("STREAM.CREATE.A", {"name": "A"})) == 10113
    assert code(house.ask("STREAM.CREATE.A", {"name": "A", "max_bytes": 101})) == 10122
    house.stream("A", max_bytes=100)


def test_requests_that_need_more_than_there_is_are_refused(house: House) -> None:
    inbox = house.inbox()
    house.publish("$JS.API.INFO", b"", inbox.name, b"NATS/1.0\r\nNats-Required-Api-Level: 99\r\n\r\n")
    house.publish("$JS.API.INFO", b"", inbox.name, b"NATS/1.0\r\nNats-Required-Api-Level: 0\r\n\r\n")
    first, second = (json.loads(payload) for payload in inbox.payloads())
    assert code(first) == 10185
    assert "error" not in second


def test_unknown_keys_may_be_allowed(house: House) -> None:
    house.jetstream.strict = False
    assert "error" not in house.ask("STREAM.CREATE.A", {"name": "A", "nonsense": 1, "MAX_MSGS": 7, "max_bytes": None})
    assert house.ask("STREAM.INFO.A")["config"]["max_msgs"] == 7


def test_what_happens_is_told_to_who_listens(house: House) -> None:
    listener = house.inbox("$JS.EVENT.ADVISORY.>")
    house.stream("A")
    house.ask("STREAM.UPDATE.A", {"name": "A", "subjects": ["b"]})
    house.ask("STREAM.DELETE.A")
    events = [(subject.decode(), json.loads(payload)) for subject, _, _, payload in listener.take()]
    assert [subject for subject, _ in events] == [
        "$JS.EVENT.ADVISORY.STREAM.CREATED.A",
        "$JS.EVENT.ADVISORY.API",
        "$JS.EVENT.ADVISORY.STREAM.UPDATED.A",
        "$JS.EVENT.ADVISORY.API",
        "$JS.EVENT.ADVISORY.STREAM.DELETED.A",
        "$JS.EVENT.ADVISORY.API",
    ]
    created, audit = events[0][1], events[1][1]
    assert created["type"] == "io.nats.jetstream.advisory.v1.stream_action"
    assert (created["stream"], created["action"]) == ("A", "create")
    assert json.loads(audit["request"])["name"] == "A"
    assert json.loads(audit["response"])["did_create"] is True


def test_a_server_by_itself_has_no_cluster(house: House) -> None:
    house.stream("A")
    for what in ("STREAM.LEADER.STEPDOWN.A", "STREAM.PEER.REMOVE.A", "CONSUMER.LEADER.STEPDOWN.A.C"):
        assert code(house.ask(what)) == 10010


def test_a_first_sequence_is_told_before_there_is_a_message() -> None:
    house = House()
    assert house.stream(first_seq=1)["state"]["first_seq"] == 1
    assert house.stream("T")["state"]["first_seq"] == 0


def test_compression_is_what_the_configuration_says_from_the_next_message_on(house: House) -> None:
    house.stream(compression="s2")
    store = house.home.streams["S"].store
    assert store.packs
    for wanted in ("none", "s2"):
        answer = house.ask("STREAM.UPDATE.S", {"name": "S", "subjects": ["s.>"], "compression": wanted})
        assert answer["config"]["compression"] == wanted
        assert store.packs == (wanted == "s2")
    house.reopen()
    assert house.home.streams["S"].store.packs
