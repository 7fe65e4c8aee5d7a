"""INFO as clients get it."""

from __future__ import annotations

import json
from typing import Any

from natsd.protocol.info import Info, quote_json


def parse(line: bytes) -> dict[str, Any]:
    assert line.startswith(b"INFO {")
    assert line.endswith(b"} \r\n")
    fields = json.loads(line[5:])
    assert isinstance(fields, dict)
    return fields


def test_the_least_a_server_says() -> None:
    fields = parse(Info("NABC").render(7, "1.2.3.4"))
    assert fields.pop("go").startswith("natsd/python")
    assert fields == {
        "server_id": "NABC",
        "server_name": "NABC",
        "version": "2.12.0",
        "proto": 1,
        "host": "0.0.0.0",
        "port": 4222,
        "headers": True,
        "max_payload": 1048576,
        "client_id": 7,
        "client_ip": "1.2.3.4",
        "api_lvl": 2,
    }


def test_fields_come_in_the_order_of_the_go_server() -> None:
    info = Info("NABC", "one", auth_required=True)
    info.jetstream = True
    info.cluster = "c"
    info.domain = "d"
    info.connect_urls = ("1.1.1.1:4222",)
    info.ldm = True
    line = info.render(1, "::1", nonce="n", connect_info=True, remote_account="$SYS", is_system_account=True)
    assert list(parse(line)) == (
        "server_id server_name version proto go host port headers auth_required max_payload jetstream client_id"
        " client_ip nonce cluster domain connect_urls ldm connect_info remote_account acc_is_sys api_lvl"
    ).split(" ")


def test_a_clients_own_payload_limit_replaces_the_servers() -> None:
    info = Info("N", max_payload=500)
    assert parse(info.render(1, "x"))["max_payload"] == 500
    assert parse(info.render(1, "x", max_payload=100))["max_payload"] == 100
    assert parse(info.render(1, "x", max_payload=0))["max_payload"] == 0


def test_what_changed_is_told_after_a_refresh() -> None:
    info = Info("N", headers=False)
    info.host, info.port = "example.org", 9
    assert parse(info.render(1, "x"))["host"] == "0.0.0.0"
    info.refresh()
    fields = parse(info.render(1, "x"))
    assert (fields["host"], fields["port"], fields["headers"]) == ("example.org", 9, False)


def test_any_name_is_quoted_soundly() -> None:
    for text in ('a"b', "back\\slash", "new\nline", "é", "\u2028", "plain"):
        assert json.loads(quote_json(text)) == text
    assert parse(Info("N", 'my "server"').render(1, "x"))["server_name"] == 'my "server"'
