"""Key-value buckets: a stream whose subjects are keys, the newest message of each being its value.

A put is a publish to ``$KV.bucket.key``. Deletes and purges are messages with the header ``KV-Operation``; a purge also
rolls up what was before. A revision is the number of a message. Expected revisions travel in the header
``Nats-Expected-Last-Subject-Sequence``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from natsd.client.bucket import BucketNotFound, load_bucket, plain_config
from natsd.client.errors import BadSubject, ClientError
from natsd.client.headers import parse_headers
from natsd.client.jetstream import (
    DEFAULT_PREFIX,
    MESSAGE_NOT_FOUND,
    WRONG_LAST_SEQUENCE,
    ApiError,
)
from natsd.client.pulling import Ordered
from natsd.client.stored import payload_of, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from natsd.client.jetstream import JetStream

    Answer = dict[str, Any]

PREFIX = "KV_"
MOST_HISTORY = 64
PUT, DELETE, PURGE = "PUT", "DEL", "PURGE"
DUPLICATE_WINDOW_NS = 120_000_000_000
_KEY = re.compile(r"[-/_=.a-zA-Z0-9]+")
_PATTERN = re.compile(r"[-/_=.a-zA-Z0-9*>]+")
# What a server writes where it removed a value by itself.
_REASONS = {"MaxAge": PURGE, "Purge": PURGE, "Remove": DELETE}


class BadKey(BadSubject):
    """A key that cannot be one."""


class KeyNotFound(ClientError):
    """There is no such key, or it was deleted."""

    text = "nats: key not found"


class WrongRevision(ClientError):
    """The key has another revision than the one expected."""

    text = "nats: wrong last sequence"


class Entry:
    """A value of a key. `delta` is how many entries of what was asked for come after it."""

    __slots__ = ("bucket", "created_ns", "delta", "key", "operation", "revision", "value")

    def __init__(
        self, bucket: str, key: str, value: bytes, revision: int, created_ns: int, delta: int, operation: str
    ) -> None:
        self.bucket = bucket
        self.key = key
        self.value = value
        self.revision = revision
        self.created_ns = created_ns
        self.delta = delta
        self.operation = operation


def check_key(key: str, pattern: bool = False) -> str:
    """A key, if it can be one; with `pattern` wildcards are fine. Raises BadKey."""
    if not (_PATTERN if pattern else _KEY).fullmatch(key) or key.startswith(".") or key.endswith("."):
        raise BadKey(f'nats: invalid key "{key}": letters, digits and -/_=. only, no dot at an end')
    return key


def bucket_config(name: str, **settings: Any) -> Answer:
    """The configuration of a stream for a new bucket; `settings` are keys of such a configuration."""
    history = int(settings.pop("history", 1))
    max_age = int(settings.get("max_age") or 0)
    config: Answer = {
        **plain_config(PREFIX, name),
        "subjects": [f"$KV.{name}.>"],
        "max_msgs_per_subject": history,
        "duplicate_window": min(max_age, DUPLICATE_WINDOW_NS) if max_age else DUPLICATE_WINDOW_NS,
        "deny_delete": True,
        **settings,
    }
    if config.get("mirror"):
        del config["subjects"]
        config["mirror_direct"] = True
    return config


class Bucket:
    """A bucket that exists."""

    def __init__(self, js: JetStream, name: str) -> None:
        """Raises BucketNotFound."""
        self._js = js
        self.name = name
        self.stream = PREFIX + name
        self.info = self._load()
        config = self.info["config"]
        self._prefix = self._put_prefix = f"$KV.{name}."
        mirror = config.get("mirror")
        if mirror:
            origin = str(mirror.get("name", "")).removeprefix(PREFIX)
            api = (mirror.get("external") or {}).get("api", "")
            self._prefix = f"$KV.{origin}."
            self._put_prefix = f"{api}.{self._prefix}" if api else self._prefix
        if js.prefix != DEFAULT_PREFIX and not (mirror and mirror.get("external")):
            self._put_prefix = f"{js.prefix}.{self._put_prefix}"
        self._direct = bool(config.get("allow_direct"))

    def _load(self) -> Answer:
        info = load_bucket(self._js, PREFIX, self.name)
        if int(info["config"].get("max_msgs_per_subject") or 0) < 1:
            raise BucketNotFound(f'nats: "{self.stream}" is no key-value bucket')
        return info

    # -- reading

    def get(self, key: str) -> Entry:
        """The value of a key. Raises KeyNotFound, also for one that was deleted."""
        entry = self.last(key)
        if entry is None or entry.operation != PUT:
            raise KeyNotFound(f'nats: key "{key}" not found')
        return entry

    def get_revision(self, key: str, revision: int) -> Entry:
        """The value a key had then. Raises KeyNotFound."""
        entry = self._fetch(check_key(key), seq=revision)
        if entry is None or entry.key != key or entry.operation != PUT:
            raise KeyNotFound(f'nats: key "{key}" has no revision {revision}')
        return entry

    def last(self, key: str) -> Entry | None:
        """What was done last with a key, be it a delete."""
        return self._fetch(key, last_by_subj=self._prefix + check_key(key))

    def _fetch(self, key: str, **body: object) -> Entry | None:
        try:
            if self._direct:
                message = self._js.direct_get(self.stream, **body)
                pairs = dict(message.headers)
                return self._entry(
                    pairs.get("Nats-Subject", ""),
                    message.payload,
                    int(pairs.get("Nats-Sequence") or 0),
                    time_of(pairs.get("Nats-Time-Stamp", "")),
                    0,
                    pairs,
                )
            raw = self._js.get_message(self.stream, **body)
            payload, header = payload_of(raw)
            pairs = dict(parse_headers(header)[2])
            at = time_of(str(raw.get("time", "")))
            return self._entry(str(raw.get("subject", "")), payload, int(raw.get("seq") or 0), at, 0, pairs)
        except ApiError as problem:
            if problem.err_code == MESSAGE_NOT_FOUND:
                return None
            raise

    def _entry(
        self, subject: str, value: bytes, revision: int, created_ns: int, delta: int, pairs: dict[str, str]
    ) -> Entry:
        operation = pairs.get("KV-Operation") or _REASONS.get(pairs.get("Nats-Marker-Reason", ""), PUT)
        key = subject.removeprefix(self._prefix)
        return Entry(self.name, key, value, revision, created_ns, delta, operation)

    def entries(
        self,
        pattern: str = ">",
        *,
        history: bool = False,
        headers_only: bool = False,
        updates_only: bool = False,
        revision: int = 0,
    ) -> Entries:
        """Entries of keys, those there are and those to come: an iterator that can be closed."""
        config: Answer = {"filter_subject": self._prefix + check_key(pattern, pattern=True)}
        if revision:
            config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": revision}
        elif updates_only:
            config["deliver_policy"] = "new"
        else:
            config["deliver_policy"] = "all" if history else "last_per_subject"
        if headers_only:
            config["headers_only"] = True
        return Entries(self, Ordered(self._js, self.stream, config))

    def history(self, key: str) -> list[Entry]:
        """Everything that is known of a key, the oldest first. Raises KeyNotFound."""
        with self.entries(check_key(key), history=True) as entries:
            found = list(entries.present())
        if not found:
            raise KeyNotFound(f'nats: key "{key}" not found')
        return found

    def keys(self, pattern: str = ">") -> Iterator[str]:
        """Keys that have a value."""
        with self.entries(pattern, headers_only=True) as entries:
            for entry in entries.present():
                if entry.operation == PUT:
                    yield entry.key

    # -- writing

    def put(self, key: str, value: bytes) -> int:
        """Set a value; returns its revision."""
        return int(self._js.publish(self._put_prefix + check_key(key), value)["seq"])

    def update(self, key: str, value: bytes, revision: int, ttl_ns: int = 0) -> int:
        """Set a value if the key still has this revision (0: none yet). Raises WrongRevision."""
        headers = [("Nats-Expected-Last-Subject-Sequence", str(revision))]
        if ttl_ns:
            headers.append(("Nats-TTL", ttl_text(ttl_ns)))
        try:
            return int(self._js.publish(self._put_prefix + check_key(key), value, headers)["seq"])
        except ApiError as problem:
            if problem.err_code == WRONG_LAST_SEQUENCE:
                raise WrongRevision(f"nats: {problem}") from None
            raise

    def create(self, key: str, value: bytes, ttl_ns: int = 0) -> int:
        """Set the value of a key that has none. Raises WrongRevision."""
        try:
            return self.update(key, value, 0, ttl_ns)
        except WrongRevision:
            last = self.last(key)
            if last is not None and last.operation != PUT:
                return self.update(key, value, last.revision, ttl_ns)
            raise WrongRevision(f'nats: key "{key}" exists already') from None

    def delete(self, key: str) -> None:
        """Mark a key as deleted; its history stays."""
        self._js.publish(self._put_prefix + check_key(key), b"", [("KV-Operation", DELETE)])

    def purge(self, key: str, ttl_ns: int = 0) -> None:
        """Mark a key as deleted and remove its history."""
        headers = [("KV-Operation", PURGE), ("Nats-Rollup", "sub")]
        if ttl_ns:
            headers.append(("Nats-TTL", ttl_text(ttl_ns)))
        self._js.publish(self._put_prefix + check_key(key), b"", headers)

    def compact(self, older_than_ns: int, now_ns: int) -> int:
        """Remove what is left of deleted keys, but for markers younger than this. Returns the count of keys."""
        with self.entries(headers_only=True) as entries:
            gone = [entry for entry in entries.present() if entry.operation != PUT]
        for entry in gone:
            keep = 1 if now_ns - entry.created_ns < older_than_ns else 0
            body: Answer = {"filter": self._prefix + entry.key, **({"keep": keep} if keep else {})}
            self._js.purge_stream(self.stream, **body)
        return len(gone)


class Entries:
    """What `Bucket.entries` gives: first what is there, then what comes."""

    def __init__(self, bucket: Bucket, reader: Ordered) -> None:
        self._bucket = bucket
        self._reader = reader
        self._left = reader.pending

    def __enter__(self) -> Entries:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def next(self, timeout_s: float | None = None) -> Entry | None:
        """The next entry; None when the time is over."""
        found = self._reader.next(timeout_s)
        if found is None:
            return None
        message, meta = found
        return self._bucket._entry(
            message.subject, message.payload, meta.stream_seq, meta.time_ns, meta.pending, dict(message.headers)
        )

    def present(self) -> Iterator[Entry]:
        """Those that were there at the start."""
        while self._left > 0:
            entry = self.next(self._bucket._js.timeout_s)
            if entry is None:
                return
            self._left = min(self._left - 1, entry.delta)
            yield entry


def ttl_text(ns: int) -> str:
    """A time to live as a header value: whole seconds, as a server wants it. Raises ClientError below one."""
    if ns < 1_000_000_000:
        raise ClientError("nats: a time to live is at least a second")
    return f"{-(-ns // 1_000_000_000)}s"
