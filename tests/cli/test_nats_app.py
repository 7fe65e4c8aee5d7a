"""The `nats` command as a whole: global flags, help, errors, completion, rtt, start-up."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from natsd.base.version import VERSION
from natsd.cli.nats.app import COMMANDS
from tests.cli.commands import Denying

if TYPE_CHECKING:
    from tests.cli.commands import Nats
else:
    Nats = Any


@pytest.mark.parametrize("before", [True, False])
def test_global_flags_stand_before_or_after_the_command(nats: Nats, before: bool) -> None:
    flags = ["--server", nats.url, "--no-context", "--trace", "--connection-name", "me", "--timeout=1m"]
    args = [*flags, "pub", "a", "x"] if before else ["pub", *flags[:2], "a", *flags[2:], "x"]
    result = nats.run(*args, NATS_URL="nats://127.0.0.1:1")
    assert result.code == 0
    assert result.err == f'>>> Connected to {nats.url}\nPublished 1 bytes to "a"\n'


def test_a_flag_after_the_command_outweighs_one_before_it_and_the_environment(nats: Nats, nowhere: str) -> None:
    assert nats.run("-s", nowhere, "pub", "-s", nats.url, "a", "x", NATS_URL=nowhere).code == 0
    assert nats.run("-s", nats.url, "pub", "a", "x", NATS_URL=nowhere).code == 0
    assert nats.run("pub", "a", "x", NATS_URL=nowhere).code == 1


@pytest.mark.parametrize(
    ("args", "environment", "wanted"),
    [
        (["--user", "u", "--password", "p"], {}, {"user": "u", "pass": "p"}),
        ([], {"NATS_USER": "u", "NATS_PASSWORD": "p"}, {"user": "u", "pass": "p"}),
        (["--user", "x"], {"NATS_USER": "u", "NATS_PASSWORD": "p"}, {"user": "x", "pass": "p"}),
        (["--user", "t"], {}, {"auth_token": "t"}),
        (["--token", "t"], {}, {"auth_token": "t"}),
        ([], {"NATS_TOKEN": "t"}, {"auth_token": "t"}),
    ],
)
def test_credentials(
    nats: Nats, denying: Denying, args: list[str], environment: dict[str, str], wanted: dict[str, str]
) -> None:
    nats.run("rtt", "1", *args, "-s", denying.url, **environment)
    sent = json.loads(denying.lines[0].removeprefix(b"CONNECT "))
    assert {key: sent[key] for key in ("user", "pass", "auth_token") if key in sent} == wanted
    assert sent["name"] == f"NATS CLI Version {VERSION}" and sent["lang"] == "python"


def test_no_server_is_one_line_and_at_once(nats: Nats, nowhere: str) -> None:
    for args in (["pub", "a", "x"], ["sub", "a"], ["req", "a", "x"], ["reply", "a"], ["rtt"]):
        result = nats.run(*args, "-s", nowhere)
        assert result.code == 1 and result.out == ""
        lines = [line for line in result.err.splitlines() if not line.startswith("No body")]
        assert len(lines) == 1
        assert lines[0].startswith(
            f"nats: error: nats: no servers available for connection ({nowhere}: connection refused"
        )


def test_the_next_server_of_a_list_is_taken(nats: Nats, nowhere: str) -> None:
    assert nats.run("pub", "a", "x", "-s", f"{nowhere},{nats.url}").code == 0


@pytest.mark.parametrize("url", ["ftp://x", "nats://h:port", "wss://h"])
def test_an_address_that_cannot_be_used_is_named(nats: Nats, url: str) -> None:
    result = nats.run("pub", "a", "x", "-s", url)
    assert result.code in (1, 2) and url in result.err and result.err.count("\n") == 1


def test_a_user_who_is_not_let_in_is_exit_code_5(nats: Nats) -> None:
    server = Denying(b"INFO {\"auth_required\":true}\r\n-ERR 'Authorization Violation'\r\n")
    result = nats.run("pub", "a", "x", "-s", server.url)
    server.close()
    assert result.code == 5
    assert result.err == "nats: error: nats: Authorization Violation (check --user, --password and --token)\n"


def test_something_else_than_a_nats_server_is_told(nats: Nats) -> None:
    server = Denying(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    result = nats.run("pub", "a", "x", "-s", server.url)
    server.close()
    assert result.code == 1 and "not a line of the protocol" in result.err and result.err.count("\n") == 1


def test_the_version(nats: Nats) -> None:
    assert nats.run("--version").out == VERSION + "\n"


def test_help_lists_the_commands_without_importing_them(nats: Nats) -> None:
    result = nats.run("--help")
    assert result.code == 0
    for name, (_, text, aliases) in COMMANDS.items():
        assert re.search(rf"^  {', '.join((name, *aliases))} +{text}$", result.out, re.MULTILINE)
    assert "NATS_URL" not in result.err
    assert nats.run("-h").out == nats.run("help").out == result.out


@pytest.mark.parametrize("path", [["pub"], ["bench"], ["bench", "service", "request"], ["help"]])
def test_every_command_has_help(nats: Nats, path: list[str]) -> None:
    result = nats.run(*path, "--help")
    assert result.code == 0 and result.out.startswith(f"Usage: nats {' '.join(path)}")
    assert nats.run("help", *path).out == result.out


def test_no_command_is_a_usage_error_with_help(nats: Nats) -> None:
    result = nats.run()
    assert result.code == 2 and result.out == "" and "Commands:" in result.err


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["pbu"], 'unknown command "pbu", did you mean "pub"? (try nats --help)'),
        (["zzz"], 'unknown command "zzz" (try nats --help)'),
        (["help", "zzz"], 'unknown command "zzz" (try nats help --help)'),
        (["--nonsense", "pub"], "no such option '--nonsense'"),
        (["stream", "ls", "--nam"], "no such option '--nam', did you mean "),
        (["pub", "a", "b", "--count", "x"], "invalid value for '--count': 'x' is not a whole number"),
        (["kv", "update", "a", "b", "c", "x"], "invalid value for 'REVISION': 'x' is not a whole number"),
        (["bench", "service", "zzz"], 'unknown command "zzz" (try nats bench service --help)'),
    ],
)
def test_an_unknown_word_is_a_usage_error(nats: Nats, args: list[str], text: str) -> None:
    result = nats.run(*args)
    assert result.code == 2 and text in result.err and result.err.count("\n") == 1


def test_the_shell_is_told_commands_and_flags(nats: Nats) -> None:
    def complete(words: str, place: int) -> list[str]:
        out = nats.run(_NATS_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(place)).out
        return [line.split(",", 1)[1] for line in out.splitlines()]

    assert {"publish", "subscribe", "bench"} <= set(complete("nats ", 1))
    assert complete("nats sub --rep", 2) == ["--report-subjects", "--report-subscriptions", "--report-top"]
    assert complete("nats bench service ", 3) == ["request", "serve"]
    assert "nats_completion" in nats.run(_NATS_COMPLETE="bash_source").out


def test_rtt(nats: Nats) -> None:
    address = nats.url
    result = nats.run("rtt", "2")
    assert re.fullmatch(rf"{address}:\n\n   {address}: \d+(\.\d+)?(µs|ms|s)\n\n", result.out) and result.err == ""
    traced = nats.run("rtt", "2", "--trace")
    assert len(re.findall(r"#\d: rtt=", traced.err)) == 2


def test_rtt_as_json(nats: Nats, nowhere: str) -> None:
    result = nats.run("rtt", "--json", "-s", f"{nowhere},{nats.url}")
    assert result.code == 0
    first, second = json.loads(result.out)
    assert first["url"] == nowhere and first["results"][0]["rtt"] == 0
    assert second["results"][0]["rtt"] > 0 and second["results"][0]["address"] == nats.url


def test_rtt_of_a_server_that_is_not_there(nats: Nats, nowhere: str) -> None:
    result = nats.run("rtt", "-s", f"{nats.url},{nowhere}")
    assert result.code == 0 and f"{nowhere}: failed\n" in result.out
    assert nats.run("rtt", "-s", f"{nowhere},{nowhere}").code == 1


def test_a_command_imports_nothing_that_it_does_not_need(nats: Nats) -> None:
    program = "import sys; from natsd.cli.nats_main import main; main(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, "pub", "a", "x"],
        capture_output=True,
        text=True,
        env=nats.environment,
        timeout=60,
    )
    modules = set(done.stdout.split())
    assert "natsd.cli.nats.messages.publish" in modules
    unneeded = {
        "asyncio",
        "ssl",
        "logging",
        "dataclasses",
        "subprocess",
        "random",
        "hashlib",
        "urllib.parse",
        "encodings.idna",
        "importlib.metadata",
        "natsd.cli.templates",
        "natsd.cli.progress",
        "natsd.cli.nats.messages.subscribe",
        "natsd.net",
        "natsd.server",
    }
    assert modules & unneeded == set()
