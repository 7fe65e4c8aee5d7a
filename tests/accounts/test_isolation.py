"""Nothing crosses between accounts but what exports and imports allow: random accounts against a brute-force oracle.

The oracle walks over every subscription of every connection for every message, by rules written down here anew. It
knows nothing of sublists, shadows, transforms or the kernel.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from natsd.base.errors import OptionsError
from tests.memory import MemoryLine, MemoryPlace

NAMES = ("A", "B", "C", "D")
WORDS = ("a", "b")
LOCAL = ("a", "b", "p")


class Sub(NamedTuple):
    account: str
    connection: int
    sid: str
    subject: str
    queue: str


class Reached(NamedTuple):
    """One delivery."""

    connection: int
    sid: str
    subject: str


# ---- the oracle


def takes(pattern: str, subject: str) -> bool:
    if pattern.endswith(">"):
        return re.fullmatch(re.escape(pattern[:-1]).replace(r"\*", "[^.]+") + ".+", subject) is not None
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[^.]+"), subject) is not None


def put(source: str, destination: str, subject: str) -> str | None:
    """What a subject of the source is in the destination, where the n-th * of the source is $n."""
    expression = re.escape(source).replace(r"\*", "([^.]+)").replace(">", "(.+)")
    found = re.fullmatch(expression, subject)
    if found is None:
        return None
    stars = source.count("*")
    name = destination.replace(">", found[stars + 1]) if source.endswith(">") else destination
    for number in range(1, stars + 1):
        name = name.replace(f"${number}", found[number])
    return name


def numbered(pattern: str) -> str:
    count = iter(range(1, 10))
    return re.sub(r"\*", lambda _: f"${next(count)}", pattern)


class Oracle:
    """Says who gets what. groups: each a list of those of whom exactly one does."""

    def __init__(self, world: dict[str, Any], subs: list[Sub], denied: dict[int, list[str]]) -> None:
        self.world = world
        self.subs = subs
        self.denied = denied
        self.plain: Counter[Reached] = Counter()
        self.groups: list[list[Reached]] = []
        self.path: set[str] = set()
        """Accounts that the message was in."""

    def publish(self, account: str, subject: str, brought: bool = False, through: tuple[Any, ...] = ()) -> bool:
        """A message in an account; whether anybody got it."""
        self.path.add(account)
        subject = self.world[account].get("mappings", {}).get(subject, subject)
        queued: dict[str, list[Reached]] = {}
        reached = False
        for sub, name in self.interested(account, subject, brought):
            if not takes(sub.subject, name) or any(takes(rule, name) for rule in self.denied[sub.connection]):
                continue
            reached = True
            one = Reached(sub.connection, sub.sid, name)
            if sub.queue:
                queued.setdefault(sub.queue, []).append(one)
            else:
                self.plain[one] += 1
        self.groups += queued.values()
        for one in self.world[account]["imports"]:
            if "service" not in one:
                continue
            source = one["service"]
            local = one.get("to", source["subject"])
            remote = numbered(source["subject"]) if "*" in source["subject"] else source["subject"]
            there = put(local, remote, subject)
            export = next(
                (source["account"], other["service"])
                for other in self.world[source["account"]]["exports"]
                if other.get("service") == source["subject"]
            )
            if there is not None and export not in through:
                reached = self.publish(source["account"], there, True, (*through, export)) or reached
        return reached

    def publish_answer(self, account: str, subject: str) -> None:
        """An answer that has come to the asker's account."""
        self.publish(account, subject, brought=True)

    def interested(self, account: str, subject: str, brought: bool) -> list[tuple[Sub, str]]:
        """Subscriptions that see the subject at all, and under which name."""
        found = [(sub, subject) for sub in self.subs if sub.account == account]
        for importer, block in self.world.items() if not brought else ():
            for one in block["imports"]:
                if one.get("stream", {}).get("account") != account:
                    continue
                source = one["stream"]["subject"]
                local = one.get("to") or numbered(f"{one['prefix']}.{source}" if "prefix" in one else source)
                name = put(source, local, subject)
                if name is not None:
                    found += [(sub, name) for sub in self.subs if sub.account == importer]
        return found


# ---- random worlds

tokens = st.sampled_from(WORDS)
subjects = st.lists(tokens, min_size=1, max_size=3).map(".".join)
patterns = st.lists(st.sampled_from((*WORDS, "*")), min_size=1, max_size=3).flatmap(
    lambda parts: st.sampled_from((".".join(parts), ".".join([*parts[:-1], ">"])))
)
local_patterns = st.lists(st.sampled_from((*LOCAL, "*")), min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from((".".join(parts), ".".join([*parts[:-1], ">"])))
)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    names = NAMES[: draw(st.integers(2, 4))]
    world: dict[str, Any] = {}
    for name in names:
        kinds = draw(st.lists(st.tuples(st.sampled_from(("stream", "service")), patterns), max_size=3, unique=True))
        exports: list[dict[str, Any]] = [{kind: subject} for kind, subject in kinds]
        for export in exports:
            if draw(st.booleans()):
                export["accounts"] = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        world[name] = {"exports": exports, "imports": [], "users": [{"user": name, "password": name}]}
        if draw(st.booleans()):
            world[name]["mappings"] = {draw(subjects): draw(subjects)}
    for name in names:
        for other in names:
            for export in world[other]["exports"] if other != name else ():
                if name not in export.get("accounts", [name]) or not draw(st.booleans()):
                    continue
                kind = "stream" if "stream" in export else "service"
                subject = export[kind]
                one: dict[str, Any] = {kind: {"account": other, "subject": subject}}
                way = draw(st.sampled_from(("same", "prefix", "to")))
                if kind == "stream" and way == "prefix":
                    one["prefix"] = "p"
                elif kind == "stream" and way == "to":
                    stars = draw(st.permutations([f"${n + 1}" for n in range(subject.count("*"))]))
                    one["to"] = ".".join(["p", *stars, *([">"] if subject.endswith(">") else [])])
                elif kind == "service" and way != "same":
                    one["to"] = f"p.{subject}"
                if kind == "service" and any(
                    known.get("service", {}).get("account") == other
                    and known.get("to", known["service"]["subject"]) == one.get("to", subject)
                    for known in world[name]["imports"]
                ):
                    continue
                world[name]["imports"].append(one)
    return world


def talked_of(world: dict[str, Any], name: str) -> list[str]:
    """Patterns that an account has to do with."""
    block = world[name]
    found = [str(export.get("stream") or export.get("service")) for export in block["exports"]]
    for one in block["imports"]:
        subject = (one.get("stream") or one["service"])["subject"]
        found.append(
            re.sub(r"\$.", "*", one.get("to") or (f"{one['prefix']}.{subject}" if "prefix" in one else subject))
        )
    return [*found, *block.get("mappings", {})]


@st.composite
def crowds(draw: st.DrawFn, world: dict[str, Any]) -> tuple[list[Sub], dict[int, list[str]]]:
    """Two connections of each account, as who subscribes to what and who is denied what."""
    subs, denied = [], {}
    for at, name in enumerate((*world, *world)):
        some = st.one_of(local_patterns, st.sampled_from([">", *talked_of(world, name)]))
        denied[at] = draw(st.lists(some, max_size=1)) if draw(st.booleans()) else []
        wanted = draw(st.lists(st.tuples(some, st.sampled_from(("", "", "q", "r"))), min_size=1, max_size=3))
        subs += [Sub(name, at, str(sid), subject, queue) for sid, (subject, queue) in enumerate(wanted)]
    return subs, denied


# ---- the server


class Listener:
    def __init__(self, place: MemoryPlace, user: str) -> None:
        self.line = MemoryLine(place)
        self.hear()
        self.say(f'CONNECT {{"verbose":false,"headers":false,"user":"{user}","pass":"{user}"}}')

    def say(self, *lines: str) -> None:
        self.line.send("".join(f"{line}\r\n" for line in lines).encode())

    def hear(self) -> list[tuple[str, str, str]]:
        """Deliveries: sid, subject, reply."""
        said = (self.line.receive(0) or b"").decode()
        assert "-ERR" not in said.replace("-ERR 'Permissions Violation for Subscription", ""), said
        heads = re.findall(r"MSG (\S+) (\S+)(?: (\S+))? \d+\r\n", said)
        return [(sid, subject, reply) for subject, sid, reply in heads]


def explains(groups: list[list[Reached]], left: Counter[Reached]) -> bool:
    """Whether what is left is one of each group."""
    if not groups:
        return not +left
    for one in dict.fromkeys(groups[0]):
        if left[one] > 0 and explains(groups[1:], left - Counter([one])):
            return True
    return False


def check(listeners: list[Listener], oracle: Oracle, accounts: list[str]) -> list[tuple[int, str]]:
    """Compare what everybody got with what the oracle says; returns who may answer, and on which subject."""
    got: Counter[Reached] = Counter()
    answers = []
    for at, listener in enumerate(listeners):
        for sid, subject, reply in listener.hear():
            if subject.startswith("_R_."):
                # Answers on their way can be seen where the question was, and nowhere else.
                assert accounts[at] in oracle.path
                continue
            got[Reached(at, sid, subject)] += 1
            if reply.startswith("_R_."):
                answers.append((at, reply))
    assert not oracle.plain - got, ("missing", oracle.plain - got)
    assert explains(oracle.groups, got - oracle.plain), ("too much", got - oracle.plain, oracle.groups)
    return answers


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(st.data())
def test_everybody_gets_what_the_oracle_says_and_nothing_else(data: st.DataObject) -> None:
    world = data.draw(worlds())
    names = tuple(world)
    subs, denied = data.draw(crowds(world))
    accounts = [*names, *names]
    options = {name: {**block, "users": list(block["users"])} for name, block in world.items()}
    for at, rules in denied.items():
        permissions = {"subscribe": {"deny": rules}} if rules else {"subscribe": {"deny": ["never"]}}
        user = {"user": f"u{at}", "password": f"u{at}", "permissions": permissions}
        options[accounts[at]]["users"].append(user)
    try:
        place = MemoryPlace([], {"accounts": options})
    except OptionsError as error:
        assert "forms a cycle" in str(error)
        reject()
    listeners = [Listener(place, f"u{at}") for at in range(len(accounts))]
    speakers = {name: Listener(place, name) for name in names}
    for sub in subs:
        listeners[sub.connection].say(f"SUB {sub.subject} {sub.queue} {sub.sid}")
    refused = {sub for sub in subs if any(covers(rule, sub.subject) for rule in denied[sub.connection])}
    subs = [sub for sub in subs if sub not in refused]
    for listener in listeners:
        listener.hear()
    for name in data.draw(st.lists(st.sampled_from(names), min_size=4, max_size=8)):
        pattern = data.draw(st.sampled_from([*talked_of(world, name), ">"]))
        subject = ".".join(
            data.draw(st.sampled_from(WORDS)) if token in "*>" else token for token in pattern.split(".")
        )
        reply = data.draw(st.sampled_from(("", "a.b", "p")))
        speakers[name].say(f"PUB {subject} {reply} 1", "x")
        oracle = Oracle(world, subs, denied)
        oracle.publish(name, subject)
        answers = check(listeners, oracle, accounts)
        if reply and answers:
            # The first to answer is heard by the asker's account, under the asker's subject.
            at, back = answers[0]
            listeners[at].say(f"PUB {back} 1", "y")
            answered = Oracle(world, subs, denied)
            answered.publish_answer(name, reply)
            answered.path |= oracle.path
            check(listeners, answered, accounts)


def covers(wide: str, narrow: str) -> bool:
    """Whether a deny refuses a subscription: whatever the narrow one matches the wide one does."""
    ours, theirs = wide.split("."), narrow.split(".")
    for at, token in enumerate(ours):
        if token == ">":
            return len(theirs) > at
        if at >= len(theirs) or theirs[at] == ">" or token not in ("*", theirs[at]):
            return False
    return len(ours) == len(theirs)
