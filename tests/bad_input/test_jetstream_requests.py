"""Requests to JetStream that are as long as they may be: the right answer, and nobody else waits for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.bad_input.peers import HealthyPair, Peer
from tests.places import Servers

MANY = 10_000
WORST_S = 1.5
"""A machine that has much else to do takes its time; what is compared each with each takes minutes."""


class Asker(Peer):
    """A client of the API."""

    def ask(self, subject: str, body: object) -> dict[str, Any]:
        payload = json.dumps(body).encode()
        self.send(b"PUB $JS.API.%b answer %d\r\n%b\r\n" % (subject.encode(), len(payload), payload))
        size = int(self.line().split()[-1])
        found: dict[str, Any] = json.loads(self.exactly(size + 2))
        return found

    def consumer(self, name: str, filters: list[str]) -> dict[str, Any]:
        config = {"durable_name": name, "ack_policy": "explicit", "filter_subjects": filters}
        return self.ask(f"CONSUMER.CREATE.S.{name}", {"stream_name": "S", "config": config})


def test_ten_thousand_subjects_and_filters_disturb_nobody(servers: Servers, form: str, tmp_path: Path) -> None:
    server = servers.start(form, ["-js", "-sd", str(tmp_path)], {}, fresh=True)
    asker = Asker(server)
    asker.socket.settimeout(60)
    asker.send(b"SUB answer 1\r\n")
    subjects = [f"s.{number}.*" for number in range(MANY)]
    given = {"name": "S", "subjects": subjects, "retention": "workqueue"}
    with HealthyPair(server, WORST_S):
        answer = asker.ask("STREAM.CREATE.S", given)
        assert len(answer["config"]["subjects"]) == MANY
        answer = asker.ask("STREAM.UPDATE.S", given | {"subjects": [*subjects, "s.*.x"]})
        assert answer["error"]["description"] == 'subject "s.0.*" overlaps with "s.*.x"'
        answer = asker.ask("STREAM.CREATE.T", {"name": "T", "subjects": [f"t.{n}" for n in range(MANY)] + ["s.7.x"]})
        assert answer["error"]["err_code"] == 10065
    with HealthyPair(server, WORST_S):
        assert asker.consumer("A", [f"s.{number}.x" for number in range(MANY)])["name"] == "A"
        assert asker.consumer("B", [f"s.{number}.y" for number in range(MANY)])["name"] == "B"
        assert asker.consumer("C", [*(f"s.{n}.z" for n in range(MANY)), "s.9.x"])["error"]["err_code"] == 10100
        assert asker.consumer("C", [*(f"s.{n}.*" for n in range(MANY)), "s.9.x"])["error"]["err_code"] == 10138
    asker.close()
    server.stop()
