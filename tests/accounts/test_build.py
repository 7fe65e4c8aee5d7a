"""Accounts from records, at start and when they change."""

from __future__ import annotations

from typing import Any

import pytest

from natsd.accounts.account import GLOBAL, SYSTEM, Account
from natsd.accounts.border import Border
from natsd.accounts.build import build_accounts
from natsd.accounts.mappings import Mappings, parse_mappings
from natsd.base.chance import SeededChance
from natsd.base.clock import HandClock, Timers
from natsd.base.errors import OptionsError
from natsd.config.records import AccountLimits, AccountRecord, Export, Import
from natsd.kernel import Road, Subscription


def border() -> Border:
    clock = HandClock()
    return Border(Road(1), clock, Timers(clock), SeededChance(), "here")


def record(name: str, exports: tuple[Export, ...] = (), imports: tuple[Import, ...] = (), **more: Any) -> AccountRecord:
    made = AccountRecord(name)
    made.exports, made.imports = list(exports), list(imports)
    for key, value in more.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ([record("A"), record("A")], "there are two accounts 'A'"),
        ([record("A", (), (Import("B", "x"),))], "account 'A': the stream 'x' cannot come from account 'B'"),
        ([record("A", (), (Import("B", "x"),)), record("B")], "'x' is not exported to it by account 'B'"),
        (
            [record("A", (), (Import("B", "x"),)), record("B", (Export("x", accounts=["C"]),)), record("C")],
            "'x' is not exported to it by account 'B'",
        ),
        (
            [record("A", (), (Import("B", "x"), Import("B", "x", to="y"))), record("B", (Export("x"),))],
            "'x' of account 'B' is imported twice",
        ),
        (
            [record("A", (), (Import("B", "x.*", to="y"),)), record("B", (Export("x.*"),))],
            "import of the stream 'x.\\*' as 'y': the destination has to use every wildcard",
        ),
        (
            [
                record("A", (), (Import("B", "x.*", to="y", service=True),)),
                record("B", (Export("x.*", service=True),)),
            ],
            "import of the service",
        ),
        ([record("A", mappings={"a": [{"destination": "b", "weight": 200}]})], "between 0 and 100"),
    ],
)
def test_accounts_that_cannot_be_are_refused(records: list[AccountRecord], complaint: str) -> None:
    with pytest.raises(OptionsError, match=complaint):
        build_accounts(records)


def test_limits_and_mappings_are_those_of_the_record() -> None:
    here = border()
    accounts: dict[str, Account] = {}
    limits = AccountLimits(max_connections=1, max_subscriptions=2, max_payload=3, max_leafnodes=4)
    mappings: Any = {"a": [{"destination": "b", "weight": 100}]}
    build_accounts([record("A", limits=limits, mappings=mappings)]).install(accounts, here)
    account = accounts["A"]
    assert (account.max_connections, account.max_subscriptions) == (1, 2)
    assert (account.max_payload, account.max_leafnodes) == (3, 4)
    assert account.mappings is not None and account.mappings.map(b"a") == (b"b", True)
    limits.max_payload = here.road.max_payload + 1
    build_accounts([record("A", limits=limits)]).install(accounts, here)
    assert accounts["A"] is account and account.max_payload == -1 and account.mappings is None
    assert not account.full
    account.join()
    assert account.full and account.total_connections == 1
    account.leave()
    assert not account.full and account.total_connections == 1


def test_an_account_stays_the_same_object_and_only_what_changed_is_told() -> None:
    here = border()
    accounts = {GLOBAL: Account(GLOBAL, here.road)}
    accounts[GLOBAL].map_subjects(Mappings(parse_mappings({"a": "b"}), here.chance))
    exporter = record("A", (Export("x.*"), Export("s", service=True)))
    stream, service = Import("A", "x.*"), Import("A", "s", service=True, to="t")
    plan = build_accounts([exporter, record("B", (), (stream, service)), record("C")])
    changes = plan.install(accounts, here, [GLOBAL, SYSTEM])
    assert set(accounts) == {GLOBAL, SYSTEM, "A", "B", "C"}
    assert [account.name for account in changes.changed] == ["B"] and not changes.removed
    before = dict(accounts)
    gotten: list[Any] = []
    accounts["A"].sublist.insert(Subscription(b"s", b"", None, None, gotten.extend))
    assert accounts["B"].sublist.publish(b"t", b"inbox", None, b"?") == 1
    here.road.settle()
    answers: list[Any] = []
    accounts["B"].sublist.insert(Subscription(b"inbox", b"", None, None, answers.extend))

    changes = build_accounts([exporter, record("B", (), (stream,))]).install(accounts, here, [GLOBAL, SYSTEM])
    assert [account.name for account in changes.removed] == ["C"] and not changes.changed
    assert accounts == {name: account for name, account in before.items() if name != "C"}
    assert accounts["B"].sublist.publish(b"t", None, None, b"?") == 0
    accounts["A"].sublist.publish(gotten[0][1], None, None, b"!")
    here.road.settle()
    assert answers == [(b"inbox", None, None, b"!")]
    assert accounts[GLOBAL].mappings is not None

    changes = build_accounts([exporter, record("B")]).install(accounts, here)
    assert [account.name for account in changes.changed] == ["B"]
    assert [account.name for account in changes.removed] == [SYSTEM]
    assert accounts["B"].stream_imports == () and len(accounts["B"].sublist) == 1
