"""Accounts."""

from __future__ import annotations

from natsd.accounts.account import GLOBAL, Account
from natsd.kernel import Road, Subscription


def test_an_account_starts_without_limits_and_without_subscriptions() -> None:
    account = Account(GLOBAL, Road(1))
    assert (account.max_connections, account.max_subscriptions, account.max_payload) == (-1, -1, -1)
    assert len(account.sublist) == 0


def test_two_accounts_share_no_subjects() -> None:
    road = Road(1)
    one, two = Account("one", road), Account("two", road)
    one.sublist.insert(Subscription(b"a", b"1", None, None, lambda batch: None))
    assert one.sublist.has_interest(b"a")
    assert not two.sublist.has_interest(b"a")


def test_an_account_can_be_told_from_another_when_printed() -> None:
    assert repr(Account("one", Road(1))) == "<Account one connections=0 subscriptions=0>"
