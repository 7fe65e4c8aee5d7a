"""`nats errors`, `nats schema` and `nats server config validate`: what needs no server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from natsd.cli import nats_main
from natsd.jetstream.errors import ERRORS


def run(capfd: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = nats_main.main(args)
    out, err = capfd.readouterr()
    return code, out, err


def test_an_error_is_explained_by_its_code(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "errors", "lookup", "10059")
    assert code == 0 and out == (
        "NATS Error Code: 10059\n\n  Description: stream not found\n    HTTP Code: 404\n"
        "         Name: STREAM_NOT_FOUND\n\n"
    )
    assert run(capfd, "errors", "lookup", "1")[0] == 1
    assert json.loads(run(capfd, "errors", "lookup", "10014", "-j")[1])["code"] == 404


def test_all_errors_of_the_server_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    documents = json.loads(run(capfd, "errors", "ls", "-j")[1])
    assert len(documents) == len(ERRORS)
    assert [one["error_code"] for one in documents] == sorted(one["error_code"] for one in documents)
    code, out, _ = run(capfd, "errors", "ls", "^10059 ")
    assert code == 0 and "│     10059 │             404 │ stream not found │" in out
    assert run(capfd, "errors", "ls", "(")[0] == 2


def test_schemas_come_from_the_records_of_the_server(capfd: pytest.CaptureFixture[str]) -> None:
    from natsd.cli.nats.schema import SCHEMAS

    for name in SCHEMAS:
        code, out, _ = run(capfd, "schema", "info", name)
        assert code == 0 and json.loads(out)["$ref"], name
    assert json.loads(run(capfd, "schema", "search", "purge", "-j")[1]) == [
        "io.nats.jetstream.api.v1.stream_purge_request"
    ]
    code, _, err = run(capfd, "schema", "info", "stream_config")
    assert code == 2 and 'did you mean "io.nats.jetstream.api.v1.stream_configuration"?' in err


def test_a_document_is_checked_against_a_schema(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"filter": "a", "keep": 1}')
    code, out, _ = run(capfd, "schema", "validate", "stream_purge_request", str(path))
    assert code == 0 and out.endswith("validates against io.nats.jetstream.api.v1.stream_purge_request\n")
    path.write_text('{"filter": "a", "keep": "1"}')
    code, out, _ = run(capfd, "schema", "validate", "stream_purge_request", str(path), "-j")
    assert code == 1 and "$.keep" in json.loads(out)[0]
    path.write_text("{")
    assert run(capfd, "schema", "validate", "stream_purge_request", str(path))[0] == 2


def test_a_configuration_file_is_checked(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("port: 4222\n")
    code, out, _ = run(capfd, "server", "config", "validate", str(path))
    assert code == 0 and out.startswith(f"Configuration file {path} is valid (sha256:")
    path.write_text("port: 4222\nmax_payload: yes\nnothing: 1\n")
    code, out, err = run(capfd, "server", "config", "validate", str(path))
    assert code == 1 and out.startswith(f"{path}:2:") and out.count("\n") == 2
    assert err == f"nats: error: {path} is not valid, 2 problems\n"
    assert json.loads(run(capfd, "server", "config", "validate", str(path), "-j")[1])["valid"] is False
