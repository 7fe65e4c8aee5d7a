"""What a user is told of itself by $SYS.REQ.USER.INFO: its account and its rights, no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natsd.base.clock import to_ns

if TYPE_CHECKING:
    from natsd.accounts.users import Permissions, SubjectRules
    from natsd.monitor.document import Document
    from natsd.session.session import Session


def user_info(session: Session) -> Document:
    """The user of a connection."""
    account = session.account_name
    page: Document = {"user": session.user, "account": account, "account_name": account}
    rights = session.admitted.rights
    if rights is not None:
        page["permissions"] = _permissions(rights.permissions)
    return page


def _permissions(permissions: Permissions) -> Document:
    page: Document = {"publish": _rules(permissions.publish), "subscribe": _rules(permissions.subscribe)}
    responses = permissions.responses
    if responses is not None:
        page["responses"] = {"max": responses.max_msgs, "ttl": to_ns(responses.expires_s)}
    return page


def _rules(rules: SubjectRules | None) -> Document:
    page: Document = {}
    if rules is not None:
        if rules.allow:
            page["allow"] = list(rules.allow)
        if rules.deny:
            page["deny"] = list(rules.deny)
    return page
