"""Requests to the system account, and what accounts may ask without being asked."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from natsd.base.version import NATS_VERSION
from natsd.monitor.connz import connz
from natsd.system import answers, sender
from natsd.system.service import OF_ACCOUNT, OF_SERVER
from tests.system.house import House

DATA = {
    "VARZ": "server_id",
    "SUBSZ": "num_subscriptions",
    "CONNZ": "connections",
    "ROUTEZ": "routes",
    "GATEWAYZ": "outbound_gateways",
    "LEAFZ": "leafs",
    "ACCOUNTZ": "accounts",
    "JSZ": "disabled",
    "HEALTHZ": "status_code",
    "PROFILEZ": "error",
    "EXPVARZ": "memstats",
    "IPQUEUESZ": "Timers",
    "RAFTZ": "",
}


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize("kind", OF_SERVER)
def test_a_server_answers_by_its_id_and_to_all(house: House, kind: str) -> None:
    system = house.client("sys")
    for prefix in (f"$SYS.REQ.SERVER.{house.id}.", "$SYS.REQ.SERVER.PING."):
        answer = system.ask(prefix + kind)
        assert list(answer) == ["server", "data"]
        assert answer["server"]["name"] == "one" and answer["server"]["id"] == house.id
        assert DATA[kind] in answer["data"] or answer["data"] == {}


def test_the_envelope_says_who_spoke_and_in_which_order(house: House) -> None:
    system = house.client("sys")
    first = system.ask("$SYS.REQ.SERVER.PING.RAFTZ")["server"]
    second = system.ask("$SYS.REQ.SERVER.PING.RAFTZ")["server"]
    assert first == {
        "name": "one", "host": "127.0.0.1", "id": house.id, "ver": NATS_VERSION, "jetstream": False, "flags": 0,
        "seq": first["seq"], "time": "2023-11-14T22:13:20Z",
    }  # fmt: skip
    assert second["seq"] == first["seq"] + 1


def test_tags_and_metadata_are_part_of_the_envelope() -> None:
    house = House(server_tags=["eu", "fast"], server_metadata={"rack": "7"})
    found = house.client("sys").ask("$SYS.REQ.SERVER.PING.RAFTZ")["server"]
    assert (found["tags"], found["metadata"]) == (["eu", "fast"], {"rack": "7"})


def test_the_id_needs_no_envelope_and_the_figures_have_their_own(house: House) -> None:
    system = house.client("sys")
    assert system.ask("$SYS.REQ.SERVER.PING.IDZ") == {"name": "one", "host": "127.0.0.1", "id": house.id}
    for subject in ("$SYS.REQ.SERVER.PING", "$SYS.REQ.SERVER.PING.STATSZ", f"$SYS.REQ.SERVER.{house.id}.STATSZ"):
        answer = system.ask(subject)
        assert list(answer) == ["server", "statsz"]
        stats = answer["statsz"]
        assert (stats["connections"], stats["active_accounts"], stats["active_servers"]) == (1, 1, 1)
        assert stats["subscriptions"] > 50 and stats["start"] == "2023-11-14T22:13:20Z"
    assert system.ask("$SYS.REQ.SERVER.PING.NOSUCH") == (
        b"NATS/1.0 503\r\nNats-Subject: $SYS.REQ.SERVER.PING.NOSUCH\r\n\r\n",
        b"",
    )


def test_figures_without_a_reply_go_to_everybody(house: House) -> None:
    system = house.client("sys")
    system.listen("$SYS.SERVER.*.STATSZ")
    system.say(b"PUB $SYS.REQ.SERVER.PING.STATSZ 0\r\n\r\n")
    [(subject, _, event)] = system.heard()
    assert subject == f"$SYS.SERVER.{house.id}.STATSZ" and event["statsz"]["total_connections"] == 1


@pytest.mark.parametrize(
    ("kind", "body", "code", "text"),
    [
        ("VARZ", b"{", 400, "unexpected end of JSON input"),
        (
            "VARZ",
            {"server_name": 5},
            400,
            "json: cannot unmarshal number into Go struct field VarzEventOptions.server_name of type string",
        ),
        (
            "CONNZ",
            {"cid": -1},
            400,
            "json: cannot unmarshal number -1 into Go struct field ConnzEventOptions.cid of type uint64",
        ),
        ("CONNZ", {"sort": "x"}, 500, "invalid sorting option: x"),
        ("CONNZ", {"filter_subject": "a"}, 500, "filter by subject only valid with account filtering"),
        ("SUBSZ", {"test": "a."}, 500, "invalid test subject, must be valid publish subject: a."),
        ("ACCOUNTZ", {"account": "nope"}, 500, "Account nope does not exist"),
        ("STATSZ", [], 400, "json: cannot unmarshal array into Go value of type server.StatszEventOptions"),
    ],
)
def test_what_cannot_be_answered_is_an_error(house: House, kind: str, body: Any, code: int, text: str) -> None:
    answer = house.client("sys").ask(f"$SYS.REQ.SERVER.PING.{kind}", body)
    assert answer["error"] == {"code": code, "description": text}
    assert list(answer) == (["server", "error"] if code == 400 else ["server", "data", "error"])


def test_options_reach_the_page(house: House) -> None:
    system, a = house.client("sys"), house.client("a", name="worker")
    a.listen("foo.*")
    b = house.client("b")
    b.hang_up()
    ask = {"auth": True, "acc": "A", "subscriptions_detail": True, "filter_subject": "foo.x"}
    [found] = system.ask("$SYS.REQ.SERVER.PING.CONNZ", ask)["data"]["connections"]
    assert (found["name"], found["authorized_user"], found["account"]) == ("worker", "a", "A")
    assert found["subscriptions_list_detail"][0]["subject"] == "foo.*"
    ask["filter_subject"] = "bar"
    assert system.ask("$SYS.REQ.SERVER.PING.CONNZ", ask)["data"]["connections"] == []
    [found] = system.ask("$SYS.REQ.SERVER.PING.CONNZ", {"state": 1, "sort": "stop"})["data"]["connections"]
    assert found["reason"] == "Client Closed"
    answer = system.ask("$SYS.REQ.SERVER.PING.SUBSZ", {"subscriptions": True, "account": "A", "limit": 1})
    assert [entry["subject"] for entry in answer["data"]["subscriptions_list"]] == ["foo.*"]
    assert system.ask("$SYS.REQ.SERVER.PING.ACCOUNTZ", {"account": "A"})["data"]["account_detail"]["name_tag"] == "A"


def test_answers_are_compressed_as_asked(house: House) -> None:
    from cramjam import snappy

    system = house.client("sys")
    plain = system.ask("$SYS.REQ.SERVER.PING.LEAFZ")["data"]
    for wanted, used, open_up in (
        (b"gzip", b"gzip", gzip.decompress),
        (b"x, s2", b"snappy", lambda data: bytes(snappy.decompress(data))),
    ):
        asks = b"NATS/1.0\r\nAccept-Encoding: %b\r\n\r\n" % wanted
        header, body = system.ask("$SYS.REQ.SERVER.PING.LEAFZ", b"", asks)
        assert header == b"NATS/1.0\r\nContent-Encoding: %b\r\n\r\n" % used
        assert b'"leafs":[]' in open_up(body)
    header, body = system.ask("$SYS.REQ.SERVER.PING.LEAFZ", b"", b"NATS/1.0\r\nAccept-Encoding: br\r\n\r\n")
    assert header.endswith(b": identity\r\n\r\n") and body["data"] == plain


@pytest.mark.parametrize("kind", OF_ACCOUNT)
def test_the_system_account_asks_about_each_account(house: House, kind: str) -> None:
    system = house.client("sys")
    a = house.client("a")
    a.listen("foo")
    answer = system.ask(f"$SYS.REQ.ACCOUNT.A.{kind}")
    if kind == "JSZ":
        assert answer["error"]["description"] == "jetstream not enabled" and answer["data"] is None
        return
    data = answer["data"]
    assert {
        "SUBSZ": lambda: [entry["subject"] for entry in data["subscriptions_list"]] == ["foo"],
        "CONNZ": lambda: [entry["cid"] for entry in data["connections"]] == [a.session.cid],
        "LEAFZ": lambda: data["leafs"] == [],
        "INFO": lambda: (data["account_name"], data["client_connections"]) == ("A", 1),
        "STATZ": lambda: [(one["acc"], one["conns"]) for one in data["account_statz"]] == [("A", 1)],
    }[kind]()


def test_unused_accounts_are_passed_over_unless_asked_for(house: House) -> None:
    system = house.client("sys")
    assert system.ask("$SYS.REQ.ACCOUNT.A.STATZ") is None
    assert system.ask("$SYS.REQ.ACCOUNT.A.STATZ", {"include_unused": True})["data"]["account_statz"][0]["acc"] == "A"
    found = system.ask("$SYS.REQ.ACCOUNT.PING.STATZ")["data"]["account_statz"]
    assert [one["acc"] for one in found] == ["$SYS"]
    ask = {"accounts": ["A", "nope"], "include_unused": True}
    assert [one["acc"] for one in system.ask("$SYS.REQ.ACCOUNT.PING.STATZ", ask)["data"]["account_statz"]] == ["A"]
    assert system.ask("$SYS.REQ.ACCOUNT.PING.STATZ", {"accounts": ["nope"]}) is None
    assert system.ask("$SYS.REQ.ACCOUNT.A.CONNS") is None
    house.client("a")
    assert system.ask("$SYS.REQ.ACCOUNT.A.CONNS")["conns"] == 1


def test_an_account_learns_about_itself_alone(house: House) -> None:
    a = house.client("a")
    house.client("sys")
    for subject in ("$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.SERVER.PING.CONNZ"):
        for body in ({}, {"acc": "$SYS"}):
            found = a.ask(subject, body)["data"]["connections"]
            assert [one["cid"] for one in found] == [a.session.cid]
    found = a.ask("$SYS.REQ.ACCOUNT.PING.STATZ", {"accounts": ["$SYS"]})["data"]["account_statz"]
    assert [one["acc"] for one in found] == ["A"]
    for subject in ("$SYS.REQ.SERVER.PING", "$SYS.REQ.ACCOUNT.A.INFO", f"$SYS.REQ.SERVER.{house.id}.VARZ"):
        assert a.ask(subject)[0].startswith(b"NATS/1.0 503")


def test_everybody_learns_who_it_is(house: House) -> None:
    for user, account in (("sys", "$SYS"), ("a", "A")):
        answer = house.client(user).ask("$SYS.REQ.USER.INFO")
        assert answer["data"] == {"user": user, "account": account, "account_name": account}
    found = house.client("b").ask("$SYS.REQ.USER.INFO")["data"]
    assert found["permissions"] == {
        "publish": {"allow": ["$SYS.REQ.USER.INFO", "x"], "deny": ["y"]},
        "subscribe": {"allow": ["_INBOX.>", "foo", "bar workers"]},
        "responses": {"max": 3, "ttl": 60_000_000_000},
    }


def test_who_asks_is_who_spoke_last_not_who_listens(house: House) -> None:
    listener = house.client("a", name="listener")
    listener.listen(">")
    asker = house.client("a", name="asker")
    assert asker.ask("$SYS.REQ.USER.INFO")["data"]["user"] == "a"
    assert house.server.road.speaker is None
    assert [subject for subject, _, _ in listener.heard()] == ["$SYS.REQ.USER.INFO", "_INBOX.me"]


def test_subscribers_are_counted(house: House) -> None:
    system, a, b = house.client("sys"), house.client("a"), house.client("b")
    for subject in ("foo", "foo.>", "foo.* workers", "foo.a workers"):
        a.listen(subject)
    for body, number in (
        ({"acc": "A", "subject": "foo"}, 1),
        ({"acc": "A", "subject": "foo.a"}, 3),
        ({"acc": "A", "subject": "foo.a", "queue": "d29ya2Vycw=="}, 2),
        ({"acc": "A", "subject": "foo.*"}, 2),
        ({"acc": "A", "subject": ">"}, 4),
        ({"acc": "B", "subject": ">"}, 0),
    ):
        assert system.ask("$SYS.REQ.ACCOUNT.NSUBS", body) == number
    assert system.ask("$SYS.REQ.ACCOUNT.NSUBS", {"acc": "nope", "subject": ">"}) is None
    assert system.ask("$SYS.REQ.ACCOUNT.NSUBS", b"[") is None
    assert "Error unmarshalling account nsubs request" in house.lines.text
    system.listen("$SYS.SERVER.*")
    assert system.ask("$SYS.DEBUG.SUBSCRIBERS", b"$SYS.SERVER.x") == 1
    assert system.ask("$SYS.DEBUG.SUBSCRIBERS", b"$SYS.SERVER.x workers") == 0
    assert b.session.closed is False


def test_a_connection_can_be_kicked(house: House) -> None:
    system, a = house.client("sys"), house.client("a")
    subject = f"$SYS.REQ.SERVER.{house.id}.KICK"
    assert system.ask(subject, {"cid": 99})["error"] == {"code": 500, "description": "no such client or leafnode id"}
    assert system.ask(subject, {"cid": "x"})["error"]["code"] == 400
    assert not a.closed
    assert list(system.ask(subject, {"cid": a.session.cid})) == ["server"]
    assert a.closed and a.session.reason == "Kicked"


def test_a_connection_can_be_told_to_go_elsewhere(house: House) -> None:
    system, a, old = house.client("sys"), house.client("a"), house.client("a", protocol=0)
    subject = f"$SYS.REQ.SERVER.{house.id}.LDM"
    a.text = b""
    assert list(system.ask(subject, {"cid": a.session.cid})) == ["server"]
    house.server.road.settle()
    assert b'"ldm":true' in a.text and not house.server.roster.info.ldm
    assert system.ask(subject, {"cid": 99})["error"]["description"] == "no such client id"
    assert "does not support Lame Duck Mode" in system.ask(subject, {"cid": old.session.cid})["error"]["description"]


def test_the_configuration_is_read_again_on_request(house: House) -> None:
    system = house.client("sys")
    subject = f"$SYS.REQ.SERVER.{house.id}.RELOAD"
    assert system.ask(subject)["error"]["code"] == 500
    read: list[str] = []
    house.service.on_reload = lambda: read.append("again")
    assert list(system.ask(subject)) == ["server"] and read == ["again"]

    def fail() -> None:
        raise ValueError("no such file")

    house.service.on_reload = fail
    assert system.ask(subject)["error"] == {"code": 500, "description": "no such file"}


def test_other_servers_than_those_asked_for_say_nothing() -> None:
    house = House(server_tags=["EU"])
    system = house.client("sys")
    for body in (
        {"server_name": "two"},
        {"server_name": "on", "exact_match": True},
        {"host": "10.0"},
        {"cluster": "c"},
        {"tags": ["eu", "us"]},
        {"domain": "hub"},
    ):
        for kind in ("VARZ", "STATSZ"):
            assert system.ask(f"$SYS.REQ.SERVER.PING.{kind}", body) is None
    for body in ({"server_name": "on"}, {"server_name": "one", "exact_match": True}, {"host": "127"}, {"tags": ["eu"]}):
        assert system.ask("$SYS.REQ.SERVER.PING.VARZ", body)["server"]["name"] == "one"


def test_requests_without_a_reply_are_not_answered(house: House) -> None:
    system = house.client("sys")
    system.listen(">")
    for subject in ("PING.VARZ", "PING.IDZ", f"{house.id}.KICK"):
        system.say(f"PUB $SYS.REQ.SERVER.{subject} 0\r\n\r\n".encode())
    system.say(b"PUB $SYS.REQ.USER.INFO 0\r\n\r\nPUB $SYS.DEBUG.SUBSCRIBERS 1\r\n>\r\n")
    assert all(subject.startswith("$SYS.REQ") or "DEBUG" in subject for subject, _, _ in system.heard())


def test_a_broken_page_costs_its_answer_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> Any:
        raise RuntimeError("out of order")

    def broken_later(*args: object) -> Any:
        yield ""
        raise RuntimeError("out of order later")

    system = house.client("sys")
    monkeypatch.setitem(answers.PAGES, "CONNZ", broken)
    monkeypatch.setitem(answers.PAGES, "SUBSZ", broken_later)
    assert system.ask("$SYS.REQ.SERVER.PING.CONNZ") is None
    assert system.ask("$SYS.REQ.SERVER.PING.SUBSZ") is None
    assert "RuntimeError('out of order')" in house.lines.text and "out of order later" in house.lines.text
    assert system.ask("$SYS.REQ.SERVER.PING.LEAFZ")["data"]["leafs"] == []


def test_a_long_answer_lets_others_have_their_turn(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "SLICE_NS", 0)
    monkeypatch.setattr(sender, "MOST_WAITING", 1)
    system = house.client("sys")
    system.listen("_INBOX.1")
    system.say(b"PUB $SYS.REQ.SERVER.PING.CONNZ _INBOX.1 0\r\n\r\n")
    assert system.heard() == [] and house.server.answers_waiting == 1
    system.say(b"PUB $SYS.REQ.SERVER.PING.CONNZ _INBOX.1 0\r\n\r\n")
    house.clock.move(0.001)
    house.clock.move(0.001)
    [(_, _, refused), (_, _, answer)] = sorted(system.heard(), key=lambda heard: "data" in heard[2])
    assert refused["error"]["code"] == 503 and answer["data"]["num_connections"] == 1
    assert house.server.answers_waiting == 0


def test_the_pages_are_those_of_monitoring() -> None:
    assert answers.PAGES["CONNZ"] is connz
