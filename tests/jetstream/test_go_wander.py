"""The same random walk on natsd and on the Go server: the same answers, deliveries and figures after each step."""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any

import pytest

from tests.jetstream.conftest import WithJetStream
from tests.jetstream.twins import API, Twin, shown
from tests.jetstream.wander import NAMES, Step, Wander
from tests.places import FORMS

QUIET_S = 0.012
TRIES = 5
GONE = "Unacknowledged message was deleted"
WORDS = {"ack": b"+ACK", "nak": b"-NAK", "progress": b"+WPI", "term": b"+TERM why"}


class Walker:
    """One server on the walk. acks: the acknowledgement subjects of what was delivered."""

    def __init__(self, twin: Twin, walk: Wander) -> None:
        self._twin = twin
        self._walk = walk
        self._acks: list[str] = []
        self._pins: dict[str, str] = {}
        self._stream: dict[str, Any] = {"name": "S", "subjects": ["s.>"]}
        inboxes = [f"_PULL.{name}.{number}" for name in NAMES for number in (1, 2, 3)]
        inboxes += [f"_NEXT.{number}" for number in (1, 2, 3)]
        self._subs = {subject: twin.subscribe(subject) for subject in (*inboxes, "$JS.EVENT.>")}
        self._subs |= {f"_PUSH.{name}": twin.subscribe(f"_PUSH.{name}", "q") for name in NAMES}

    def go(self, step: Step) -> Any:
        kind, *words = step
        twin = self._twin
        if kind == "stream":
            verb = "UPDATE" if len(self._stream) > 2 else "CREATE"
            self._stream |= words[0]
            return twin.ask(f"{API}STREAM.{verb}.S", self._stream)
        if kind in ("consumer", "update"):
            body = {
                "stream_name": "S",
                "config": self._walk.config(*words),
                "action": "" if kind == "consumer" else kind,
            }
            return twin.ask(f"{API}CONSUMER.CREATE.S.{words[0]}", body)
        if kind == "publish":
            subject, count, size = words
            answers = []
            for _ in range(count):
                answers.append(twin.ask(subject, b"x" * size))
                time.sleep(0.003)  # the Go server counts what is pending while it goes on
            return answers
        if kind == "pull":
            name, request, inbox = words
            if inbox.endswith("1") and name in self._pins:
                request = request | {"id": self._pins[name]}
            return twin.publish(f"{API}CONSUMER.MSG.NEXT.S.{name}", json.dumps(request).encode(), reply=inbox)
        if kind in WORDS or kind == "next":
            return self._answer(kind, *words)
        if kind in ("id", "roll up"):
            header = f"Nats-Msg-Id: {words[1]}" if kind == "id" else "Nats-Rollup: sub"
            return twin.ask(words[0], b"x", f"NATS/1.0\r\n{header}\r\n\r\n".encode())
        if kind == "pause":
            return twin.ask(f"{API}CONSUMER.PAUSE.S.{words[0]}", {"pause_until": words[1]} if words[1] else b"")
        if kind == "toggle":
            return self._toggle(words[0])
        if kind == "sleep":
            return time.sleep(words[0] / 2)  # the other server sleeps as long
        verb = {"get": "STREAM.MSG.GET.S", "remove": "STREAM.MSG.DELETE.S", "purge": "STREAM.PURGE.S"}.get(kind)
        return twin.ask(f"{API}{verb}", words[0]) if verb else twin.ask(f"{API}CONSUMER.DELETE.S.{words[0]}")

    def _answer(self, kind: str, share: float, what: Any) -> Any:
        """Acknowledge one of the messages, the same on both servers whatever came first."""
        if not self._acks:
            return None
        self._acks.sort(key=lambda subject: [(len(part), part) for part in subject.split(".")[3:7]])
        subject = self._acks[int(share * len(self._acks))]
        if kind in ("ack", "term", "next"):
            self._acks.remove(subject)
        if kind == "next":
            return self._twin.publish(subject, b"+NXT", reply=what)
        return self._twin.ask(subject, WORDS[kind] + (b' {"delay": %d}' % what if what else b""), wait_s=1)

    def _toggle(self, subject: str) -> None:
        number = self._subs.pop(subject, 0)
        if number:
            self._twin.unsubscribe(number)
        else:
            self._subs[subject] = self._twin.subscribe(subject, "q" if subject.startswith("_PUSH") else "")
        self._twin.drain(0)

    def look(self) -> dict[str, list[Any]]:
        """What came since the last look: by subscription and consumer, between which there is no order."""
        found: dict[str, list[Any]] = {}
        for place, got in self._twin.drain(QUIET_S):
            reply, header = got[1], got[2]
            key = place
            if reply.startswith("$JS.ACK."):
                self._acks.append(reply)
                key += " " + reply.split(".")[3]
                if header is not None and b"Nats-Pin-Id: " in header:
                    pin = header.split(b"Nats-Pin-Id: ")[1].split(b"\r\n")[0]
                    self._pins[reply.split(".")[3]] = pin.decode()
            elif got[0].startswith("$JS.EVENT."):
                key = got[0]
                if GONE.encode() in got[3]:
                    continue  # whether the Go server tells depends on which of its threads comes first
            if not got[0].startswith("$JS.EVENT.ADVISORY.API"):
                found.setdefault(key, []).append(shown(got))
        return found

    def figures(self) -> dict[str, Any]:
        found = {"S": self._twin.ask(f"{API}STREAM.INFO.S", {"subjects_filter": ">", "deleted_details": True})}
        for name in NAMES:
            found[name] = self._twin.ask(f"{API}CONSUMER.INFO.S.{name}")
        return found


def _without_pending(messages: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Without what was pending behind each: where limits remove messages meanwhile, the Go server counts later."""
    return {key: [one[:6] + one[7:] if len(one) == 8 else one for one in many] for key, many in messages.items()}


def _merge(into: dict[str, list[Any]], more: dict[str, list[Any]]) -> None:
    for key, messages in more.items():
        into.setdefault(key, []).extend(messages)
        if ".MAX_DELIVERIES." in key:
            into[key].sort(key=repr)  # the Go server has those of one moment in no order


def walk_both(twins: list[Twin], walk: Wander) -> tuple[int, Step, Any, Any] | None:
    """Where the two are not alike any more, and how."""
    walkers = [Walker(twin, walk) for twin in twins]
    steps = walk.steps()
    bounded = any(key in steps[0][1] for key in ("max_msgs", "max_msgs_per_subject"))
    for at, step in enumerate(steps):
        answers = [walker.go(step) for walker in walkers]
        came: list[dict[str, list[Any]]] = [{}, {}]
        for again in range(TRIES):
            for all_of_it, walker in zip(came, walkers, strict=True):
                _merge(all_of_it, walker.look())
            shown_came = [_without_pending(one) for one in came] if bounded else came
            ours, theirs = zip(answers, shown_came, [walker.figures() for walker in walkers], strict=True)
            if ours == theirs:
                break
            time.sleep(0.05 * (again + 1))
        else:
            return at, step, ours, theirs
    return None


GO = [form for form in FORMS if form not in ("natsd", "go-2.9.10")]
SEEDS = range(3)


@pytest.mark.parametrize("go", GO)
@pytest.mark.parametrize("kind", ["pull", "push", "priority", "time"])
def test_both_go_the_same_way(jetstreams: WithJetStream, go: Any, kind: str) -> None:
    servers = [jetstreams.start("natsd"), jetstreams.start(go)]
    for seed in SEEDS:
        twins = [Twin(server.host, server.port) for server in servers]
        parted = walk_both(twins, Wander(seed, kind))
        for twin in twins:
            twin.ask(f"{API}STREAM.DELETE.S")
            twin.close()
        assert parted is None, f"seed {seed}: {parted}"


def test_a_seed_decides_the_walk() -> None:
    for kind in ("pull", "push", "priority", "time"):
        seed = Random(kind).randrange(1000)
        one, other = Wander(seed, kind), Wander(seed, kind)
        assert one.steps() == other.steps()
        assert [one.config(name, {}) for name in NAMES] == [other.config(name, {}) for name in NAMES]
