"""Random walks through one stream with consumers: what is done, decided by a seed and by nothing else.

Left out is what differs on purpose or by chance in the Go server: of messages that it takes several ways at once
(purges of some subjects, deleted messages of consumers that acknowledge all), it tells by accident.
"""

from __future__ import annotations

from random import Random
from typing import Any

S = 10**9
LONG = 60 * S
NAMES = ("C0", "C1", "C2")
SUBJECTS = ("s.a", "s.b", "s.c.d", "s.c.e")
OWN = dict(zip(NAMES, ("s.a", "s.b", "s.c.>"), strict=True))
FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"filter_subject": "s.a"},
    {"filter_subject": "s.*"},
    {"filter_subject": "s.c.>"},
    {"filter_subjects": ["s.a", "s.c.d"]},
    {"filter_subjects": ["s.b", "s.c.>"]},
)
Step = tuple[Any, ...]


class Wander:
    """One walk. kind: "pull", "push", "priority" or "time"."""

    def __init__(self, seed: int, kind: str) -> None:
        self._random = Random(f"{kind} {seed}")
        self._kind = kind
        self._retention = self._random.choice(["limits", "limits", "interest", "workqueue"])
        self._for_all = self._retention != "workqueue" and self._random.random() < 0.2
        self._fixed = {name: self._consumer(name) for name in NAMES}
        self._starts = [config.get("deliver_policy") for config in self._fixed.values()]

    def steps(self) -> list[Step]:
        random = self._random
        stream: dict[str, Any] = {"retention": self._retention, "storage": random.choice(["memory", "file"])}
        stream["allow_rollup_hdrs"] = True
        if not self._for_all and random.random() < 0.3:
            stream["max_msgs_per_subject"] = random.choice([1, 2, 5])
        if not self._for_all and random.random() < 0.3:
            stream |= {"max_msgs": random.choice([3, 10, 20]), "discard": random.choice(["old", "new"])}
        steps: list[Step] = [("stream", stream)]
        steps += [("consumer", name, {}) for name in NAMES[: random.randint(1, 3)]]
        steps += [self._step() for _ in range(random.randint(10, 40))]
        return steps

    def _consumer(self, name: str) -> dict[str, Any]:
        random = self._random
        config: dict[str, Any] = {"durable_name": name, "ack_policy": "explicit", "ack_wait": LONG}
        if self._retention == "workqueue":
            config["filter_subject"] = OWN[name]
        else:
            config |= random.choice(FILTERS)
            config["ack_policy"] = "all" if self._for_all else random.choice(["explicit", "explicit", "none"])
        if self._retention == "limits":
            config["deliver_policy"] = random.choice(["all", "all", "new", "last", "last_per_subject"])
            if config["deliver_policy"].startswith("last") and "filter_subjects" not in config:
                config.setdefault("filter_subject", "s.>")
        for key, values, share in (
            ("max_deliver", [1, 2, 3], 0.3),
            ("max_ack_pending", [1, 2, 5], 0.3),
            ("headers_only", [True], 0.15),
            ("sample_freq", ["100"], 0.2),
        ):
            if random.random() < share:
                config[key] = random.choice(values)
        if self._kind == "time" and config["ack_policy"] != "none":
            config["ack_wait"] = 400 * 10**6
        if self._kind == "push" and random.random() < 0.6:
            config["deliver_subject"] = f"_PUSH.{name}"
            if random.random() < 0.3:
                config["deliver_group"] = "q"
            return config
        for key, values, share in (
            ("max_waiting", [1, 2, 3], 0.2),
            ("max_batch", [1, 3], 0.1),
            ("max_bytes", [50, 500], 0.1),
        ):
            if random.random() < share:
                config[key] = random.choice(values)
        if self._kind == "priority":
            policy = random.choice(["overflow", "prioritized", "pinned_client"])
            config |= {"priority_groups": ["g"], "priority_policy": policy}
        return config

    def config(self, name: str, change: dict[str, Any]) -> dict[str, Any]:
        """The configuration that a step of this walk is about."""
        return self._fixed[name] | change

    def _step(self) -> Step:
        random = self._random
        name, share = random.choice(NAMES), random.random()
        kinds = {"publish": 12, "pull": 16, "ack": 12, "nak": 6, "progress": 2, "term": 3, "next": 3, "consumer": 2}
        kinds |= {"update": 2, "id": 1, "get": 1, "pause": 1, "toggle": 1, "stream": 1, "purge": 1}
        if not self._for_all:
            kinds["remove"] = 2
            if self._retention == "limits" and "last_per_subject" not in self._starts:
                kinds["roll up"] = 1
        if self._retention != "interest":
            kinds["delete"] = 1
        if self._kind == "time":
            kinds["sleep"] = 6
        kind = random.choices(list(kinds), list(kinds.values()))[0]
        if kind == "publish":
            return kind, random.choice(SUBJECTS), random.randint(1, 4), random.randint(0, 30)
        if kind == "pull":
            return kind, name, self._request(), f"_PULL.{name}.{random.randint(1, 3)}"
        if kind in ("ack", "nak", "progress", "term"):
            return kind, share, random.choice([0, LONG]) if kind == "nak" else 0
        if kind == "next":
            return kind, share, f"_NEXT.{random.randint(1, 3)}"
        if kind == "consumer":
            return kind, name, random.choice([{}, {}, {"max_ack_pending": 4}, {"description": "x"}])
        if kind == "update":
            changes = ({"max_ack_pending": 3}, {"max_ack_pending": 1}, {"ack_wait": LONG // 2}, {"headers_only": True})
            return kind, name, random.choice(changes)
        if kind in ("id", "roll up"):
            return kind, random.choice(SUBJECTS), random.choice("xyz")
        if kind == "get":
            bodies = ({"seq": random.randint(1, 20)}, {"last_by_subj": "s.a"}, {"next_by_subj": "s.b", "seq": 3})
            return kind, random.choice(bodies)
        if kind == "pause":
            return kind, name, random.choice([None, "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"])
        if kind == "toggle":
            return kind, random.choice([f"_PULL.{name}.1", f"_PUSH.{name}"])
        if kind == "stream":
            return kind, random.choice([{"description": "x"}, {"allow_direct": True}, {"subjects": ["s.>", "t"]}])
        if kind == "purge":
            upto = 0 if "last_per_subject" in self._starts else random.choice([0, random.randint(1, 30)])
            return kind, {"seq": upto} if upto else {}
        if kind == "remove":
            return kind, {"seq": random.randint(1, 25), "no_erase": share < 0.5}
        return (kind, random.choice([0.2, 0.6])) if kind == "sleep" else (kind, name)

    def _request(self) -> dict[str, Any]:
        random = self._random
        body: dict[str, Any] = {"batch": random.randint(1, 5)}
        if random.random() < 0.6:
            body["no_wait"] = True
        if "no_wait" not in body or random.random() < 0.3:
            body["expires"] = LONG
        if random.random() < 0.15:
            body["max_bytes"] = random.choice([10, 70, 100, 150, 300])
        if self._kind == "priority":
            body["group"] = "g" if random.random() < 0.9 else "h"
            for key, most, share in (("min_pending", 5, 0.2), ("min_ack_pending", 5, 0.2), ("priority", 9, 0.5)):
                if random.random() < share:
                    body[key] = random.randint(1, most)
        return body
