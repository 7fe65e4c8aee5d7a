"""`nats kv` and `nats object` against a server with JetStream."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commands import Nats

if TYPE_CHECKING:
    from tests.cli.streams import Inside
else:
    Inside = Any


def test_a_bucket_is_made_and_shown(inside: Inside) -> None:
    flags = "--history 5 --ttl 1h --max-value-size 1KB --max-bucket-size 1MB --storage m --description d".split()
    out = inside.ok("kv", "add", "B", *flags)
    assert out.startswith("Information for Key-Value Store Bucket B created 20")
    for row in (
        "           History Kept: 5\n",
        "    Maximum Bucket Size: 1.0 MiB\n",
        "     Maximum Value Size: 1.0 KiB\n",
        "            Maximum Age: 1h0m0s\n",
        "       JetStream Stream: KV_B\n",
        "                Storage: Memory\n",
    ):
        assert row in out
    assert inside.ok("kv", "info", "B") == out
    config = inside.json("kv", "info", "B")["config"]
    assert config["deny_delete"] and config["allow_rollup_hdrs"] and config["discard"] == "new"
    assert "History Kept: 2\n" in inside.ok("kv", "edit", "B", "--history", "2")
    assert inside.run("kv", "add", "bad.name").code == 2


def test_values_are_put_got_and_listed(inside: Inside) -> None:
    inside.ok("kv", "add", "B")
    assert inside.ok("kv", "put", "B", "a.b", "one") == "one\n"
    assert inside.json("kv", "put", "B", "c", "two")["revision"] == 2
    out = inside.ok("kv", "get", "B", "a.b")
    assert out.startswith("B > a.b revision: 1 created @ 20") and out.endswith("\n\none\n\n")
    assert inside.ok("kv", "get", "B", "c", "--raw") == "two"
    assert inside.json("kv", "get", "B", "c")["value"] == "two"
    assert inside.ok("kv", "ls", "B") == "a.b\nc\n"
    assert inside.ok("kv", "ls", "B", "a.*") == "a.b\n"
    assert "│ c   │ 20" in inside.ok("kv", "ls", "B", "-v", "--display-value")
    assert inside.ok("kv", "ls", "-n") == "B\n" and "│ B      │" in inside.ok("kv", "ls")


def test_a_missing_key_and_a_missing_bucket_are_errors(inside: Inside) -> None:
    inside.ok("kv", "add", "B")
    result = inside.run("kv", "get", "B", "none")
    assert result.code == 1 and result.err == 'nats: error: nats: key "none" not found\n'
    result = inside.run("kv", "get", "NONE", "a")
    assert result.code == 1 and 'bucket "NONE" not found' in result.err
    for key in ("a b", ".a", "a.", "a*", "ä"):
        assert "invalid key" in inside.run("kv", "put", "B", key, "x").err
    assert inside.ok("kv", "ls", "B") == "No keys found in bucket\n"


def test_a_value_from_stdin_and_one_that_is_no_text(inside: Inside) -> None:
    inside.ok("kv", "add", "B")
    nats = Nats(inside.url)
    raw = bytes(range(256))
    assert nats.run("kv", "put", "B", "a", stdin=raw).code == 0
    assert nats.run("kv", "get", "B", "a", "--raw").raw_out == raw
    shown = inside.ok("kv", "get", "B", "a")
    assert "Showing first 120 bytes of 344, use --raw for full data\n\nAAECAwQF" in shown
    assert inside.json("kv", "get", "B", "a")["value_base64"].startswith("AAECAw")


def test_create_update_and_revert_look_at_revisions(inside: Inside) -> None:
    inside.ok("kv", "add", "B", "--history", "5")
    assert inside.ok("kv", "create", "B", "k", "1") == "1\n"
    assert "exists already" in inside.run("kv", "create", "B", "k", "x").err
    inside.ok("kv", "update", "B", "k", "2", "1")
    assert "wrong last sequence" in inside.run("kv", "update", "B", "k", "3", "1").err
    assert inside.run("kv", "revert", "B", "k", "1").code == 2
    assert "│ k   │        3 │ PUT │" in inside.ok("kv", "revert", "B", "k", "1", "-f")
    assert inside.ok("kv", "get", "B", "k", "--raw") == "1"
    assert inside.ok("kv", "get", "B", "k", "--raw", "--revision", "2") == "2"
    inside.ok("kv", "del", "B", "k", "-f")
    assert inside.ok("kv", "create", "B", "k", "again") == "again\n"


def test_deleted_and_purged_keys(inside: Inside) -> None:
    inside.ok("kv", "add", "B", "--history", "5")
    for value in ("1", "2"):
        inside.ok("kv", "put", "B", "k", value)
    assert "--force" in inside.run("kv", "del", "B", "k").err
    inside.ok("kv", "del", "B", "k", "-f")
    assert inside.run("kv", "get", "B", "k").code == 1
    assert [entry["operation"] for entry in inside.json("kv", "history", "B", "k")] == ["PUT", "PUT", "DELETE"]
    inside.ok("kv", "purge", "B", "k", "-f")
    assert [entry["operation"] for entry in inside.json("kv", "history", "B", "k")] == ["PURGE"]
    inside.ok("kv", "compact", "B", "-f")
    inside.ok("kv", "del", "B", "-f")
    assert inside.ok("kv", "ls") == "No Key-Value buckets found\n"


def test_watch_shows_what_is_there_first(inside: Inside) -> None:
    inside.ok("kv", "add", "B", "--history", "3")
    for key, value in (("a", "1"), ("a", "2"), ("b", "3")):
        inside.ok("kv", "put", "B", key, value)
    inside.ok("kv", "del", "B", "b", "-f")
    lines = inside.ok("kv", "watch", "B", "--count", "2").splitlines()
    assert [line.partition("] ")[2] for line in lines] == ["PUT B > a: 2", "DELETE B > b"]
    assert inside.ok("kv", "watch", "B", "a", "--history", "--count", "2").count("PUT B > a") == 2
    assert inside.ok("kv", "watch", "B", "--revision", "3", "--no-deletes", "--count", "1").endswith("b: 3\n")


def test_a_bucket_is_edited(inside: Inside) -> None:
    for kind, stream in (("kv", "KV_B"), ("object", "OBJ_B")):
        inside.ok(kind, "add", "B", "--metadata", "team=a")
        inside.ok(kind, "edit", "B", "--ttl", "1m", "--description", "new", "--max-bucket-size", "1MB")
        config = inside.json("stream", "info", stream)["config"]
        assert config["description"] == "new" and config["max_bytes"] == 1 << 20
        assert config["max_age"] == config["duplicate_window"] == 60 * 10**9
        assert config["metadata"]["team"] == "a"


def test_objects_go_in_and_out(inside: Inside, tmp_path: Path) -> None:
    content = os.urandom(300_000)
    source, target = tmp_path / "file", tmp_path / "copy"
    source.write_bytes(content)
    out = inside.ok("object", "add", "FILES", "--description", "d")
    assert out.startswith("Information for Object Store Bucket FILES created 20") and "Sealed: false\n" in out
    out = inside.ok("object", "put", "FILES", str(source), "--name", "x/y", "--description", "t", "-H", "K:V")
    assert out.startswith("\nObject information for FILES > x/y\n\n")
    assert "Chunks: 3\n" in out and f"Digest: SHA-256 {hashlib.sha256(content).hexdigest()}\n" in out
    assert "Headers: K: V\n" in out
    out = inside.ok("object", "get", "FILES", "x/y", "-O", str(target))
    assert out.startswith(f"Wrote: 293 KiB to {target} in ") and target.read_bytes() == content
    assert "--force" in inside.run("object", "get", "FILES", "x/y", "-O", str(target)).err
    assert not list(tmp_path.glob("*.part"))
    assert "│ x/y  │ 293 KiB │ 20" in inside.ok("object", "ls", "FILES")
    assert inside.ok("object", "ls", "-n") == "FILES\n" and inside.ok("object", "ls", "FILES", "-n") == "x/y\n"
    assert inside.json("object", "info", "FILES", "x/y")["size"] == 300_000


def test_a_replaced_object_leaves_no_chunks_behind(inside: Inside, tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"x" * 300_000)
    inside.ok("object", "add", "FILES")
    inside.ok("object", "put", "FILES", str(source), "--name", "f")
    assert "--force" in inside.run("object", "put", "FILES", str(source), "--name", "f").err
    source.write_bytes(b"y" * 10)
    inside.ok("object", "put", "FILES", str(source), "--name", "f", "-f", "--chunk-size", "4")
    assert inside.json("stream", "state", "OBJ_FILES")["state"]["messages"] == 4
    out = inside.ok("object", "del", "FILES", "f", "-f")
    assert out.startswith("Removed FILES > f\nInformation for Object Store Bucket FILES")
    assert inside.run("object", "get", "FILES", "f").code == 1
    assert inside.ok("object", "ls", "FILES") == "No entries found\n"
    assert inside.ok("object", "watch", "FILES", "--count", "1").endswith("] DEL FILES > f\n")


def test_an_object_from_stdin_to_stdout(inside: Inside) -> None:
    inside.ok("object", "add", "FILES")
    nats = Nats(inside.url)
    assert nats.run("object", "put", "FILES", stdin=b"a").code == 2
    content = os.urandom(200_000)
    assert nats.run("object", "put", "FILES", "--name", "pipe", stdin=content).code == 0
    assert nats.run("object", "get", "FILES", "pipe", "-O", "-").raw_out == content


def test_a_damaged_object_is_noticed_and_nothing_is_written(inside: Inside, tmp_path: Path) -> None:
    source, target = tmp_path / "file", tmp_path / "copy"
    source.write_bytes(b"x" * 200_000)
    inside.ok("object", "add", "FILES")
    inside.ok("object", "put", "FILES", str(source), "--name", "f")
    inside.ok("stream", "rmm", "OBJ_FILES", "1", "-f")
    result = inside.run("object", "get", "FILES", "f", "-O", str(target), "--timeout", "1s")
    assert result.code == 1 and "chunks of object f are missing" in result.err
    assert not target.exists() and not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("kind", ["kv", "object"])
def test_what_has_no_name_is_asked_for_and_not_guessed(inside: Inside, kind: str) -> None:
    result = inside.run(kind, "info")
    assert result.code == 1 and "there are no buckets" in result.err
    inside.ok(kind, "add", "B")
    result = inside.run(kind, "info")
    assert result.code == 2 and "one of: B" in result.err


def test_a_sealed_bucket_takes_nothing_more(inside: Inside, tmp_path: Path) -> None:
    inside.ok("object", "add", "FILES")
    assert inside.ok("object", "seal", "FILES", "-f").startswith("FILES has been sealed\n")
    source = tmp_path / "file"
    source.write_bytes(b"x")
    assert inside.run("object", "put", "FILES", str(source), "--name", "f").code == 1
