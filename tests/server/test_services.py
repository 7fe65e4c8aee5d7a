"""Requests between accounts, to natsd and to Go servers alike: what transcripts cannot say, because answers go to
subjects that are different every time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.places import FORMS, PATIENCE_S, ServerProcess, Servers, TcpLine


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


class Peer:
    """A connection of a user whose password is its name."""

    def __init__(self, server: ServerProcess, user: str) -> None:
        self._line: TcpLine = server.dial()
        self._said = b""
        words = {"verbose": False, "headers": True, "no_responders": True, "user": user, "pass": user}
        self.say(f"CONNECT {json.dumps(words)}")
        self.hear()

    def say(self, *lines: str) -> None:
        self._line.send("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> list[str]:
        """What came up to the answer to a PING, without the PINGs of the server."""
        self.say("PING")
        while b"PONG\r\n" not in self._said:
            came = self._line.receive(PATIENCE_S)
            assert came, self._said
            self._said += came
        said, self._said = self._said.split(b"PONG\r\n", 1)
        return [line for line in said.decode().split("\r\n") if line and line != "PING"]


def two(servers: Servers, form: str, export: dict[str, Any], imported: dict[str, Any]) -> tuple[Peer, Peer]:
    """One who serves, in account A, and one who asks, in account B."""
    accounts = {
        "A": {"users": [{"user": "a", "password": "a"}], "exports": [export]},
        "B": {"users": [{"user": "b", "password": "b"}], "imports": [imported]},
    }
    server = servers.start(form, [], {"accounts": accounts})
    return Peer(server, "a"), Peer(server, "b")


def reply_of(lines: list[str]) -> str:
    """The reply subject of the only message."""
    found = [re.fullmatch(r"HMSG \S+ \S+ (_R_\.\S+) \d+ \d+", line) for line in lines]
    replies = [match[1] for match in found if match]
    assert len(replies) == 1, lines
    return replies[0]


SERVICE = {"service": {"account": "A", "subject": "s.*"}, "to": "t.*"}


@pytest.mark.parametrize("form", FORMS)
def test_the_answer_comes_as_if_from_the_own_account_and_only_once(servers: Servers, form: str) -> None:
    serving, asking = two(servers, form, {"service": "s.*"}, SERVICE)
    serving.say("SUB s.* 1")
    asking.say("SUB inbox.* 1", "SUB _R_.> 2")
    serving.hear()
    asking.say("PUB t.1 inbox.x 2", "hi")
    assert asking.hear() == []
    asked = serving.hear()
    assert asked[-1] == "hi" and asked[0].startswith("HMSG s.1 1 _R_.")
    reply = reply_of(asked)
    serving.say(f"PUB {reply} 2", "yo")
    serving.hear()
    assert asking.hear() == ["MSG inbox.x 1 2", "yo"]
    serving.say(f"PUB {reply} 2", "yo")
    serving.hear()
    assert asking.hear() == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("response", ["stream", "chunked"])
def test_many_answers_may_come_until_an_empty_one(servers: Servers, form: str, response: str) -> None:
    serving, asking = two(servers, form, {"service": "s.*", "response": response}, SERVICE)
    serving.say("SUB s.* 1")
    asking.say("SUB inbox 1")
    serving.hear()
    asking.say("PUB t.1 inbox 2", "hi")
    asking.hear()
    reply = reply_of(serving.hear())
    for text in ("one", "two"):
        serving.say(f"PUB {reply} 3", text)
        serving.hear()
        assert asking.hear() == ["MSG inbox 1 3", text]
    serving.say(f"PUB {reply} 0", "")
    serving.hear()
    assert asking.hear() == ["MSG inbox 1 0"]
    serving.say(f"PUB {reply} 3", "two")
    serving.hear()
    assert asking.hear() == []


@pytest.mark.parametrize("form", FORMS)
def test_whoever_answers_may_ask_back(servers: Servers, form: str) -> None:
    serving, asking = two(servers, form, {"service": "s.*", "response": "stream"}, SERVICE)
    serving.say("SUB s.* 1", "SUB more 2")
    asking.say("SUB inbox 1")
    serving.hear()
    asking.say("PUB t.1 inbox 2", "hi")
    asking.hear()
    reply = reply_of(serving.hear())
    serving.say(f"PUB {reply} more 3", "who")
    serving.hear()
    heard = asking.hear()
    assert heard[-1] == "who"
    back = heard[0].split()[3]
    assert heard[0] == f"MSG inbox 1 {back} 3" and back.startswith("_R_.")
    asking.say(f"PUB {back} 2", "me")
    asking.hear()
    assert serving.hear() == ["MSG more 2 2", "me"]


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_to_somebody_who_is_gone_ends_the_way(servers: Servers, form: str) -> None:
    serving, asking = two(servers, form, {"service": "s.*", "response": "stream"}, SERVICE)
    serving.say("SUB s.* 1")
    asking.say("SUB inbox 1")
    serving.hear()
    asking.say("PUB t.1 inbox 2", "hi", "UNSUB 1")
    asking.hear()
    reply = reply_of(serving.hear())
    serving.say(f"PUB {reply} 3", "one")
    serving.hear()
    asking.say("SUB inbox 2")
    asking.hear()
    serving.say(f"PUB {reply} 3", "two")
    serving.hear()
    assert asking.hear() == []


@pytest.mark.parametrize("form", FORMS)
def test_the_exporter_learns_who_asks_and_nobody_can_lie_about_it(servers: Servers, form: str) -> None:
    serving, asking = two(servers, form, {"service": "s.*"}, {**SERVICE, "share": True})
    serving.say("SUB s.* 1")
    serving.hear()
    lie = 'NATS/1.0\r\nNats-Request-Info: {"acc":"A"}\r\nOther: x\r\n\r\n'
    asking.say(f"HPUB t.1 {len(lie)} {len(lie) + 2}", lie + "hi")
    asking.hear()
    _, first, *lines = serving.hear()
    told = [line for line in lines if line.startswith("Nats-Request-Info:")]
    assert first == "NATS/1.0" and lines[0] == "Other: x" and len(told) == 1
    info = json.loads(told[0].partition(":")[2])
    assert (info["acc"], info["user"], info["kind"], info["client_type"]) == ("B", "b", "Client", "nats")
    assert {"start", "host", "id", "server"} <= set(info)


@pytest.mark.parametrize("form", FORMS)
def test_nobody_may_use_the_subjects_of_answers_for_replies(servers: Servers, form: str) -> None:
    _, asking = two(servers, form, {"service": "s.*"}, SERVICE)
    asking.say("PUB t.1 _R_.x.y 2", "hi")
    assert asking.hear() == ["-ERR 'Permissions Violation for Publish with Reply of \"_R_.x.y\"'"]


@pytest.mark.parametrize("form", FORMS)
def test_a_queue_group_of_the_exporter_gets_each_request_once(servers: Servers, form: str) -> None:
    serving, asking = two(servers, form, {"service": "s.*"}, SERVICE)
    serving.say("SUB s.* team 1", "SUB s.* team 2")
    serving.hear()
    for _ in range(5):
        asking.say("PUB t.1 inbox 1", "x")
    asking.hear()
    heard = serving.hear()
    assert sum(line.startswith("HMSG s.1 ") for line in heard) == 5
