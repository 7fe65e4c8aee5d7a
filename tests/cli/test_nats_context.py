"""`nats context`, what a context does for other commands, and completion."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from natsd.cli.contexts import KEYS, Context, Contexts, read_secret
from natsd.cli.exit_codes import CommandFailed

if TYPE_CHECKING:
    from tests.cli.commands import Denying, Nats
else:
    Nats = Denying = Any


@pytest.fixture
def home(nats: Nats, tmp_path: Path) -> Path:
    """The folder of a user's contexts, empty at first; NATS_URL is not set."""
    nats.environment["XDG_CONFIG_HOME"] = str(tmp_path)
    del nats.environment["NATS_URL"]
    return tmp_path / "nats"


def file_of(home: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "context" / f"{name}.json").read_text())
    return found


def connect_line(server: Denying) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads(server.lines[0].removeprefix(b"CONNECT "))
    return sent


def test_add_keeps_the_connection_flags_in_a_private_file(nats: Nats, home: Path) -> None:
    result = nats.run(
        "context",
        "add",
        "one",
        "--server",
        "nats://h:1",
        "--user",
        "u",
        "--password",
        "hidden",
        "--description",
        "Text",
    )
    assert result.code == 0 and "hidden" not in result.out
    assert 'NATS Configuration Context "one"\n' in result.out and "   Password: *********\n" in result.out
    file = home / "context" / "one.json"
    assert list(json.loads(file.read_text())) == [key for key, _ in KEYS]
    data = file_of(home, "one")
    assert (data["url"], data["user"], data["password"], data["tls_first"]) == ("nats://h:1", "u", "hidden", False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, home / "context")] == [0o700, 0o700]
    assert os.listdir(home / "context") == ["one.json"]


def test_add_changes_what_is_given_and_keeps_unknown_keys(nats: Nats, home: Path) -> None:
    (home / "context").mkdir(parents=True)
    (home / "context" / "one.json").write_text('{"later": [1], "url": "nats://h", "token": "t"}')
    assert nats.run("ctx", "save", "one", "--description", "new").code == 0
    data = file_of(home, "one")
    assert (data["later"], data["url"], data["token"], data["description"]) == ([1], "nats://h", "t", "new")
    assert list(data)[-1] == "later"


def test_select_previous_and_unselect(nats: Nats, home: Path) -> None:
    for name in ("a", "b"):
        assert nats.run("context", "add", name, "--select").code == 0
    assert (home / "context.txt").read_text() == "b" and (home / "previous-context.txt").read_text() == "a"
    assert "│ b*" in nats.run("context", "ls").out
    assert nats.run("context", "previous").code == 0
    assert (home / "context.txt").read_text() == "a"
    assert nats.run("ctx", "--", "-").code == 0
    assert (home / "context.txt").read_text() == "b"
    assert nats.run("context", "unselect").code == 0
    assert not (home / "context.txt").exists()
    assert nats.run("context", "info").code == 1
    assert nats.run("context", "select", "zz").err == 'nats: error: unknown context "zz" (nats context ls shows them)\n'
    question = 'no answer to "Context": there is no terminal to ask, give the name of a context, one of: a, b'
    assert nats.run("context", "select").err == f"nats: error: {question}\n"


def test_list_as_table_names_and_json(nats: Nats, home: Path) -> None:
    assert nats.run("context", "ls").code == 0 and nats.run("context", "ls", "-j").out == "[]\n"
    nats.run("context", "add", "b", "--description", "Second")
    nats.run("context", "add", "a", "--select")
    (home / "context" / "broken.json").write_text("{")
    assert nats.run("context", "ls", "--names").out == "a\nb\nbroken\n"
    first, second, third = json.loads(nats.run("context", "ls", "-j").out)
    assert (first["name"], first["selected"], second["description"]) == ("a", True, "Second")
    assert third["description"] == "(cannot be read)"
    assert nats.run("context", "ls", NATS_TABLE_FORMAT="csv").out.startswith("Name,Description\na*,\nb,Second\n")
    assert "| b | Second |\n" in nats.run("context", "ls", NATS_TABLE_FORMAT="md").out


def test_rm_asks_and_spares_the_selected_one(nats: Nats, home: Path) -> None:
    nats.run("context", "add", "a", "--select")
    nats.run("context", "add", "b")
    assert "there is no terminal to ask, give --force" in nats.run("context", "rm", "b").err
    refused = nats.run("context", "rm", "a", "--force")
    assert refused.code == 1 and "is selected" in refused.err
    assert nats.run("context", "rm", "b", "-f").code == 0
    assert nats.run("context", "rm", "a", "-f").code == 0
    assert nats.run("context", "ls", "--names").out == "" and not (home / "context.txt").exists()


def test_copy_and_info_as_json(nats: Nats, home: Path) -> None:
    nats.run("context", "add", "a", "--token", "t")
    assert nats.run("context", "cp", "a", "b", "--server", "nats://other").code == 0
    assert nats.run("context", "cp", "a", "b").code == 1
    data = json.loads(nats.run("context", "info", "b", "-j").out)
    assert (data["token"], data["url"]) == ("t", "nats://other")


def test_edit_keeps_the_old_one_when_the_new_one_is_no_context(nats: Nats, home: Path, tmp_path: Path) -> None:
    nats.run("context", "add", "a", "--token", "t")
    editor = tmp_path / "editor"
    for script, code in (("echo '{' > $1", 1), ("echo '[]' > $1", 1), ("echo '{\"url\": 5}' > $1", 1), ("exit 3", 1)):
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o700)
        assert nats.run("context", "edit", "a", EDITOR=str(editor)).code == code
        assert file_of(home, "a")["token"] == "t"
    editor.write_text('#!/bin/sh\nsed -i.old \'s/"t"/"new"/\' $1\nrm $1.old\n')
    assert nats.run("context", "edit", "a", EDITOR=str(editor)).code == 0
    assert file_of(home, "a")["token"] == "new"
    assert os.listdir(home / "context") == ["a.json"]


def test_commands_use_the_selected_context(nats: Nats, home: Path, nowhere: str) -> None:
    nats.run("context", "add", "here", "--server", nats.url, "--select")
    nats.run("context", "add", "there", "--server", nowhere)
    for args in (["pub", "a", "x"], ["rtt", "1"], ["bench", "pub", "a", "--msgs", "10", "--no-progress"]):
        assert nats.run(*args).code == 0
        assert nats.run(*args, "--context", "there").code == 1
        assert nats.run(*args, NATS_CONTEXT="there").code == 1
        assert nats.run(*args, "--context", "here", NATS_CONTEXT="there").code == 0
        assert nats.run(*args, "-s", nowhere).code == 1
        assert nats.run(*args, "--context", "there", NATS_URL=nats.url).code == 0
    assert nats.run("pub", "a", "x", "--context", str(home / "context" / "here.json")).code == 0
    assert nats.run("pub", "a", "x", "--context", "her").err == (
        'nats: error: unknown context "her" (did you mean "here"?)\n'
    )


def test_no_context_ignores_even_a_broken_one(nats: Nats, home: Path) -> None:
    nats.run("context", "add", "a", "--select")
    (home / "context" / "a.json").write_text("nonsense")
    assert nats.run("pub", "a", "x", "-s", nats.url).code == 1
    assert nats.run("pub", "a", "x", "-s", nats.url, "--no-context").code == 0


@pytest.mark.parametrize(
    ("saved", "flags", "wanted"),
    [
        ({"user": "u", "password": "p"}, [], {"user": "u", "pass": "p"}),
        ({"user": "u", "password": "p"}, ["--password", "q"], {"user": "u", "pass": "q"}),
        ({"user": "u", "password": "p"}, ["--user", "x"], {"auth_token": "x"}),
        ({"user": "u", "password": "p"}, ["--token", "t"], {"auth_token": "t"}),
        ({"token": "t"}, ["--user", "x", "--password", "q"], {"user": "x", "pass": "q"}),
        ({"user": "u", "password": "env://SECRET"}, [], {"user": "u", "pass": "from outside"}),
        ({"token": "data:;base64,dG9r"}, [], {"auth_token": "tok"}),
    ],
)
def test_credentials_of_a_context(
    nats: Nats, home: Path, denying: Denying, saved: dict[str, str], flags: list[str], wanted: dict[str, str]
) -> None:
    (home / "context").mkdir(parents=True)
    (home / "context" / "a.json").write_text(json.dumps({"url": denying.url, "inbox_prefix": "_MINE", **saved}))
    nats.run("rtt", "1", "--context", "a", *flags, SECRET="from outside")
    sent = connect_line(denying)
    assert {key: sent[key] for key in ("user", "pass", "auth_token") if key in sent} == wanted


def test_the_inbox_prefix_of_a_context_is_used(nats: Nats, home: Path, denying: Denying) -> None:
    nats.run("context", "add", "a", "--server", denying.url, "--inbox-prefix", "_MINE", "--select")
    nats.run("req", "a", "x", "--timeout", "1s")
    assert any(line.startswith(b"SUB _MINE.") for line in denying.lines)


@pytest.mark.parametrize(
    "saved",
    [{"nsc": "x"}, {"socks_proxy": "x"}, {"windows_cert_store": "x"}],
)
def test_a_context_that_wants_what_is_not_there_is_refused(nats: Nats, home: Path, saved: dict[str, Any]) -> None:
    (home / "context").mkdir(parents=True)
    (home / "context" / "a.json").write_text(json.dumps({"url": nats.url, **saved}))
    result = nats.run("pub", "a", "x", "--context", "a")
    assert result.code == 1 and result.err.count("\n") == 1
    assert 'context "a" wants' in result.err and "not supported yet" in result.err


@pytest.mark.parametrize("content", ["[]", "{", '{"url": 1}', '{"token": "env://NOT_SET"}', '{"token": "op://x"}'])
def test_a_broken_context_is_one_line(nats: Nats, home: Path, content: str) -> None:
    (home / "context").mkdir(parents=True)
    (home / "context" / "a.json").write_text(content)
    result = nats.run("pub", "a", "x", "--context", "a")
    assert result.code == 1 and result.err.count("\n") == 1 and 'context "a"' in result.err
    assert nats.run("context", "validate", "a").code == 1


def test_validate_tells_of_every_context(nats: Nats, home: Path, nowhere: str) -> None:
    nats.run("context", "add", "good", "--server", nats.url)
    nats.run("context", "add", "gone", "--server", nowhere)
    result = nats.run("context", "validate")
    assert (result.code, result.out) == (0, "gone: OK\ngood: OK\n")
    result = nats.run("context", "validate", "--connect")
    assert result.code == 1 and "good: OK\n" in result.out and "gone: nats: no servers" in result.out
    assert "Connection: OK\n" in nats.run("context", "info", "good", "--connect").out
    assert nats.run("context", "info", "gone", "--connect").code == 1


def test_embed_puts_the_content_of_files_in(nats: Nats, home: Path, tmp_path: Path) -> None:
    (tmp_path / "seed").write_text("content")
    assert nats.run("context", "add", "a", "--nkey", "$WHERE/seed", "--embed", WHERE=str(tmp_path)).code == 0
    assert read_secret(file_of(home, "a")["nkey"]) == "content"


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", "a b", ".hidden", "a\nb", "a\\b"])
def test_a_name_stays_inside_of_its_folder(tmp_path: Path, name: str) -> None:
    contexts = Contexts(str(tmp_path))
    with pytest.raises(CommandFailed, match="invalid context name"):
        contexts.save(Context(name, "", {}))
    assert list(tmp_path.iterdir()) == []


def test_a_linked_context_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    kept = tmp_path / "kept.json"
    kept.write_text("{}")
    (tmp_path / "context" / "a.json").symlink_to(kept)
    contexts = Contexts(str(tmp_path))
    contexts.save(Context("a", "", {"token": "t"}))
    assert (tmp_path / "context" / "a.json").is_symlink() and '"token": "t"' in kept.read_text()


def test_secrets_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NAME", "x")
    (tmp_path / "secret").write_text(" s \n")
    data = {"token": "file://~/secret", "password": "plain", "ca": "~/$NAME.pem", "user_seed": "data:,a%20b"}
    context = Context("c", "", data)
    assert [context.value(key) for key in data] == ["s", "plain", f"{tmp_path}/x.pem", "a b"]
    for text in ("data:nothing", "data:;base64,%", "env://UNSET", "nsc://o/a/u"):
        with pytest.raises(CommandFailed):
            Context("c", "", {"token": text}).value("token")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(nats: Nats, shell: str) -> None:
    result = nats.run("completion", shell)
    assert result.code == 0 and f"{shell}_complete" in result.out and "%(" not in result.out


@pytest.mark.parametrize("words", ["nats context select ", "nats --context ", "nats pub --context "])
def test_the_shell_is_told_the_names_of_contexts(nats: Nats, home: Path, words: str) -> None:
    for name in ("prod", "preview", "test"):
        nats.run("context", "add", name)
    place = str(len(words.split()))
    out = nats.run(_NATS_COMPLETE="bash_complete", COMP_WORDS=words + "pr", COMP_CWORD=place).out
    assert [line.split(",", 1)[1] for line in out.splitlines()] == ["preview", "prod"]
