"""`nats server report jetstream` over the answers of several servers."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.commands import Nats
from tests.cli.system import OTHER_ID, SystemServer, server, statsz

META = {
    "name": "c1",
    "leader": "n1",
    "peer": "p1",
    "cluster_size": 2,
    "pending": 3,
    "replicas": [{"name": "n2", "current": True, "offline": True, "active": 5 * 10**8, "lag": 4, "peer": "p2"}],
}


def jsz(name: str, server_id: str, streams: int, **more: Any) -> dict[str, Any]:
    data = {
        "streams": streams,
        "consumers": 2,
        "messages": 1234,
        "bytes": 2048,
        "memory": 1024,
        "storage": 1024,
        "api": {"total": 4321, "errors": 1},
        "config": {},
        **more,
    }
    return {"server": server(name, server_id, cluster="c1"), "data": data}


def test_servers_are_summed_up_and_the_meta_group_is_shown() -> None:
    answers = {
        "$SYS.REQ.SERVER.PING.STATSZ": [statsz(count=2)],
        "$SYS.REQ.SERVER.PING.JSZ": [
            jsz("n2", OTHER_ID, 7),
            jsz("n1", server()["id"], 5, meta_cluster=META, streams_leader=4),
        ],
    }
    api = SystemServer(answers, {})
    try:
        nats = Nats(api.url)
        out = nats.run("server", "report", "jetstream", "--leaders").out
        assert "JetStream Summary" in out
        assert "│ n1*    │ c1      │ 5       │ 2         │ 1,234    │ 2.0 KiB │ 1.0 KiB │ 1.0 KiB │ 4,321" in out
        assert "│        │         │ 12      │ 4         │ 2,468    │ 4.0 KiB │ 2.0 KiB │ 2.0 KiB │ 8,642" in out
        assert "RAFT Meta Group Information - Lead cluster: c1" in out
        assert "│ n2              │ p2 │        │ true    │ false  │ 500ms  │ 4   │" in out
        assert "│ n1     │ c1      │ 4       │ 0         │" in out
        rows = json.loads(nats.run("server", "report", "jetstream", "--sort", "streams", "-R", "-j").out)
        assert [row["server"] for row in rows] == ["n2", "n1"]
        nats.run("server", "report", "jetstream", "--account", "APP")
        assert ("$SYS.REQ.SERVER.PING.JSZ", True) in [(subject, "APP" in str(body)) for subject, body in api.asked]
    finally:
        api.close()
