"""What /accountz shows of an account's borders and mappings, as they were configured.

The services of the system account, which every account has, are in accounts.py.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from natsd.accounts.permissions import covers
from natsd.subjects.valid import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping as Map

    from natsd.accounts.account import Account
    from natsd.accounts.mappings import Mapping
    from natsd.config.records import Export, Import, Latency
    from natsd.monitor.document import Document

_RESPONSES = {"single": "Singleton", "stream": "Streamed", "chunked": "Chunked"}
_PLACE = re.compile(r"\$\d+|\{\{\s*[Ww]ildcard\(\s*\d+\s*\)\s*\}\}")


def exports(account: Account) -> list[Document]:
    """Services, then streams."""
    return [_export(export) for export in sorted(account.exports, key=lambda export: not export.service)]


def _export(export: Export) -> Document:
    shown: Document = {"subject": export.subject, "type": "service" if export.service else "stream"}
    if export.service:
        shown["response_type"] = _RESPONSES[export.response]
    if export.latency is not None:
        shown["service_latency"] = _latency(export.latency)
    if export.accounts is not None:
        shown["approved_accounts"] = export.accounts
    return shown


def _latency(latency: Latency) -> Document:
    return {"sampling": latency.sampling or "headers", "results": latency.subject}


def imports(accounts: Map[str, Account], account: Account) -> list[Document]:
    """Streams, then services."""
    return [_import(accounts, one) for one in sorted(account.imports, key=lambda one: one.service)]


def _import(accounts: Map[str, Account], record: Import) -> Document:
    shown: Document = {"subject": record.subject, "account": record.account}
    if record.service:
        shown["to"] = shown["local_subject"] = record.to
    else:
        local = f"{record.prefix.removesuffix('.')}.{record.subject}" if record.prefix else record.to or record.subject
        shown["local_subject"] = _PLACE.sub("*", local)
    shown |= {
        "type": "service" if record.service else "stream",
        "invalid": False,
        "share": record.share,
        "tracking": False,
    }
    latency = _latency_of(accounts, record)
    if latency is not None:
        shown["latency"] = _latency(latency)
    return shown


def _latency_of(accounts: Map[str, Account], record: Import) -> Latency | None:
    exporter = accounts.get(record.account)
    if exporter is None or not record.service:
        return None
    wanted = tokens(record.subject.encode())
    for export in exporter.exports:
        if export.latency is not None and covers(tokens(export.subject.encode()), wanted):
            return export.latency
    return None


def mappings(account: Account) -> Document:
    """Destinations by source; the weights are sums, as the Go server draws by them, and the rest is shown as well."""
    if account.mappings is None:
        return {}
    return {mapping.source.decode("utf-8", "replace"): _destinations(mapping) for mapping in account.mappings}


def _destinations(mapping: Mapping) -> list[Document]:
    source = mapping.source
    shares: dict[str, list[tuple[int, bytes]]] = {}
    for destination in mapping.destinations:
        shares.setdefault(destination.cluster, []).append((destination.weight, destination.subject))
    listed = any(subject == source for share in shares.values() for _, subject in share)
    shown = []
    for cluster, share in shares.items():
        left = 100 - sum(weight for weight, _ in share)
        if left > 0 and not listed:
            share.append((left, _numbered(source)))
        total = 0
        for weight, subject in sorted(share, key=lambda one: one[0]):
            total += weight
            row: Document = {"subject": subject.decode("utf-8", "replace"), "weight": total}
            shown.append({**row, "cluster": cluster} if cluster else row)
    return shown


def _numbered(source: bytes) -> bytes:
    """A source as its own destination."""
    parts, count = tokens(source), 0
    for at, part in enumerate(parts):
        if part == b"*":
            count += 1
            parts[at] = b"$%d" % count
    return b".".join(parts)
