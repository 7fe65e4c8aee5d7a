"""Imports that go round in a circle."""

from __future__ import annotations

import time

import pytest

from natsd.accounts.build import build_accounts
from natsd.base.errors import OptionsError
from natsd.config.records import AccountRecord, Export, Import


def account(name: str, exports: list[str], imports: list[tuple[str, str, str]], service: bool) -> AccountRecord:
    """imports: account, subject, and the subject here."""
    record = AccountRecord(name)
    record.exports = [Export(subject, service=service) for subject in exports]
    record.imports = [Import(source, subject, service=service, to=to) for source, subject, to in imports]
    return record


@pytest.mark.parametrize("service", [False, True])
def test_two_accounts_that_import_the_same_from_each_other_are_a_circle(service: bool) -> None:
    records = [
        account("A", ["x"], [("B", "x", "x")], service),
        account("B", ["x"], [("A", "x", "x")], service),
    ]
    with pytest.raises(OptionsError, match=r"account 'A': import of the (service|stream) 'x' forms a cycle"):
        build_accounts(records)


@pytest.mark.parametrize("service", [False, True])
def test_a_circle_of_three_with_wildcards_is_found(service: bool) -> None:
    records = [
        account("A", ["x.*"], [("C", "x.*", "x.*")], service),
        account("B", ["x.*"], [("A", "x.*", "x.*")], service),
        account("C", ["x.*"], [("B", "x.*", "x.*")], service),
    ]
    with pytest.raises(OptionsError, match="forms a cycle"):
        build_accounts(records)


@pytest.mark.parametrize("service", [False, True])
def test_other_subjects_are_no_circle(service: bool) -> None:
    records = [
        account("A", ["x"], [("B", "y", "y")], service),
        account("B", ["y"], [("A", "x", "x")], service),
    ]
    assert set(build_accounts(records).records) == {"A", "B"}


@pytest.mark.parametrize("service", [False, True])
def test_two_ways_to_one_account_are_no_circle(service: bool) -> None:
    records = [
        account("T", [], [("L", "x", "l"), ("R", "x", "r")], service),
        account("L", ["x"], [("D", "x", "x")], service),
        account("R", ["x"], [("D", "x", "x")], service),
        account("D", ["x"], [], service),
    ]
    assert len(build_accounts(records).records) == 4


def test_a_ladder_of_many_ways_is_searched_at_once() -> None:
    records = [account("0", ["x"], [], True), account("0b", ["x"], [], True)]
    for step in range(1, 60):
        before = (str(step - 1), f"{step - 1}b")
        for name in (str(step), f"{step}b"):
            records.append(account(name, ["x"], [(before[0], "x", "x"), (before[1], "x", "x")], True))
    started = time.process_time()
    assert len(build_accounts(records).records) == 120
    assert time.process_time() - started < 5


def test_a_row_of_accounts_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natsd.accounts.cycles.MOST_ACCOUNTS", 20)
    records = [account("0", ["x"], [], True)]
    records += [account(str(step), ["x"], [(str(step - 1), "x", "x")], True) for step in range(1, 25)]
    with pytest.raises(OptionsError, match="forms a cycle"):
        build_accounts(records)
    assert build_accounts(records[:15])
