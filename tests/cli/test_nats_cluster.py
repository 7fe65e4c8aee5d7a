"""`nats stream cluster` and `nats consumer cluster` against an API that answers by a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from natsd.cli.nats.streams import cluster
from natsd.client.connection import Connection
from natsd.client.message import Message
from tests.cli.streams import Api, Inside

if TYPE_CHECKING:
    from tests.places import ServerProcess
else:
    ServerProcess = Any

CONFIG = {"name": "A", "subjects": ["a"], "storage": "file", "num_replicas": 3}
DONE = {"success": True}
Answers = dict[str, Callable[[Connection, Message], None]]


class Peers:
    """A stream and a consumer whose leaders are, one question after the other, those of a list."""

    def __init__(self, leaders: list[str], replicas: int = 2) -> None:
        self._leaders = leaders
        self._replicas = [{"name": f"n{number}"} for number in range(2, 2 + replicas)]
        self.asked: list[Any] = []

    def page(self) -> dict[str, Any]:
        leader = self._leaders.pop(0) if len(self._leaders) > 1 else self._leaders[0]
        if leader == "nobody":
            return {
                "error": {"code": 503, "err_code": 10008, "description": "JetStream system temporarily unavailable"}
            }
        page: dict[str, Any] = {"config": CONFIG, "state": {}, "created": "2026-01-02T03:04:05Z"}
        page |= {"stream_name": "A", "name": "C", "delivered": {}, "ack_floor": {}}
        if leader != "alone":
            page["cluster"] = {"name": "c", "leader": leader, "replicas": self._replicas}
        return page

    def answers(self, done: dict[str, Any]) -> Answers:
        def info(connection: Connection, message: Message) -> None:
            connection.respond(message, json.dumps(self.page()).encode())

        def order(connection: Connection, message: Message) -> None:
            self.asked.append(json.loads(message.payload) if message.payload else None)
            connection.respond(message, json.dumps(done).encode())

        def account(connection: Connection, message: Message) -> None:
            connection.respond(message, json.dumps({"api": {"level": 1}}).encode())

        return {
            "$JS.API.INFO": account,
            "$JS.API.STREAM.INFO.A": info,
            "$JS.API.CONSUMER.INFO.A.C": info,
            "$JS.API.STREAM.LEADER.STEPDOWN.A": order,
            "$JS.API.CONSUMER.LEADER.STEPDOWN.A.C": order,
            "$JS.API.STREAM.PEER.REMOVE.A": order,
        }


@pytest.fixture
def start(
    nats_process: ServerProcess, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Inside]]:
    url = f"nats://{nats_process.host}:{nats_process.port}"
    running = []
    monkeypatch.setattr(cluster, "ROUND_S", 0.0)

    def begin(peers: Peers, done: dict[str, Any] = DONE) -> Inside:
        running.append(Api(url, peers.answers(done)))
        return Inside(url, capfd)

    yield begin
    for api in running:
        api.close()


@pytest.mark.parametrize("words", [("stream", "cluster", "step-down", "A"), ("consumer", "cluster", "sd", "A", "C")])
def test_another_leader_is_waited_for(start: Callable[..., Inside], words: tuple[str, ...]) -> None:
    peers = Peers(["n1", "n1", "nobody", "", "n2"])
    result = start(peers).run(*words)
    assert result.code == 0, result
    assert peers.asked == [None]
    lines = result.err.splitlines()
    assert lines[0].startswith('Requesting leader step down of "n1" for ' + words[0])
    assert lines[0].endswith(" in a 3 peer cluster group")
    assert "temporarily unavailable" in lines[1]
    assert lines[2:] == ["No leader elected", 'New leader elected "n2"']
    assert "Information for" in result.out


def test_a_leader_can_be_named(start: Callable[..., Inside]) -> None:
    peers = Peers(["n1", "n3"])
    start(peers).ok("stream", "cluster", "step-down", "A", "--preferred", "n3")
    assert peers.asked == [{"placement": {"preferred": "n3"}}]


@pytest.mark.parametrize(
    ("leaders", "replicas", "reason"),
    [
        (["alone"], 0, 'stream "A" is not clustered'),
        (["n1"], 0, 'stream "A" is not clustered'),
        ([""], 2, "has no current leader"),
        (["n1"], 2, "did not elect a new leader in time"),
    ],
)
def test_a_leader_that_does_not_change_is_an_error(
    start: Callable[..., Inside], leaders: list[str], replicas: int, reason: str
) -> None:
    result = start(Peers(leaders, replicas)).run("stream", "cluster", "step-down", "A")
    assert result.code == 1
    assert reason in result.err


def test_a_stream_without_a_leader_may_be_forced(start: Callable[..., Inside]) -> None:
    result = start(Peers(["", "n2"])).run("stream", "cluster", "step-down", "A", "--force")
    assert result.code == 0
    assert 'step down of "<unknown>"' in result.err


def test_a_server_is_taken_out_of_a_stream(start: Callable[..., Inside]) -> None:
    peers = Peers(["n1"])
    result = start(peers).run("stream", "cluster", "peer-remove", "A", "n2")
    assert result.code == 0
    assert peers.asked == [{"peer": "n2"}]
    assert 'Requested removal of peer "n2"' in result.err


def test_the_only_server_is_not_taken_out_by_mistake(start: Callable[..., Inside]) -> None:
    peers = Peers(["n1"], replicas=0)
    inside = start(peers)
    assert "--force" in inside.run("stream", "cluster", "peer-remove", "A", "n1").err
    assert peers.asked == []
    inside.ok("stream", "cluster", "pr", "A", "n1", "-f")
    assert peers.asked == [{"peer": "n1"}]


def test_what_was_not_done_is_an_error(start: Callable[..., Inside]) -> None:
    result = start(Peers(["n1"]), {"success": False}).run("stream", "cluster", "peer-remove", "A", "n2")
    assert result.code == 1
    assert "did not say that it was done" in result.err


def test_a_server_that_has_no_clusters_says_so(inside: Inside) -> None:
    inside.ok("stream", "add", "ONE", "--subjects", "one", "--defaults")
    assert 'stream "ONE" is not clustered' in inside.run("stream", "cluster", "step-down", "ONE").err
