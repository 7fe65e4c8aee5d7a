"""The virtual table `messages`: what SQLite asks of it, turned into scans.

A column that a query does not use is neither fetched nor decoded. Rows come in batches, and a column that is used is
made for a whole batch at once: what SQLite asks for row by row is then a look into a list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from natsd.sql.plan import (
    EQ,
    HEADERS,
    LIMIT,
    MATCH,
    OFFSET,
    PAYLOAD,
    SEQ,
    SUBJECT,
    TAKEN,
    TIME,
    PatternError,
    is_exact,
    scan_for,
)
from natsd.sql.values import render_headers, render_payload, render_subject, render_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from natsd.sql.scan import Reader, Row

NAME = "messages"
TIMES = "moment"
"""The collation of the column `time`."""
SCHEMA = (
    f"CREATE TABLE {NAME} "
    f"(seq INTEGER, time TEXT COLLATE {TIMES}, time_ns INTEGER, subject TEXT, headers TEXT, payload)"
)
COLUMNS: tuple[Callable[[Sequence[Any]], list[Any]], ...] = (
    lambda rows: [row[0] for row in rows],
    lambda rows: render_times([row[1] for row in rows]),
    lambda rows: [row[1] for row in rows],
    lambda rows: [render_subject(row[2]) for row in rows],
    lambda rows: [render_headers(row[3]) for row in rows],
    lambda rows: [render_payload(row[4]) for row in rows],
    lambda rows: [row[0] for row in rows],  # -1: the row's own number
)
DESCENDING, WITH_HEADERS, WITH_PAYLOADS = 1, 2, 4
MOST_CURSORS = 32


class Module:
    """What SQLite knows under the name of the table."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def Connect(
        self, connection: apsw.Connection, modulename: str, databasename: str, tablename: str, *args: Any
    ) -> tuple[str, Table]:
        return SCHEMA, Table(self._reader)

    Create = Connect


class Table:
    """One connection's view of the table."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.open = 0

    def BestIndexObject(self, index: apsw.IndexInfo) -> bool:
        """Say which conditions a scan looks after; `idxStr` lists them as column:operator, in their order."""
        taken: list[str] = []
        share = 1.0
        found = [
            (i, max(index.get_aConstraint_iColumn(i), SEQ), index.get_aConstraint_op(i))
            for i in range(index.nConstraint)
            if index.get_aConstraint_usable(i)
        ]
        matched = any(column == SUBJECT and op == MATCH for _, column, op in found)
        exact = False
        for i, column, op in found:
            if op in (LIMIT, OFFSET):
                column = SEQ
            elif op not in TAKEN.get(column, ()) or not self._compares(index, i, column):
                continue
            elif column == SUBJECT:
                if op == MATCH and exact:
                    continue
                if is_exact(column, op, index.get_aConstraint_rhs(i)) and (op == MATCH or not matched) and not exact:
                    exact = True
                    index.set_aConstraintUsage_omit(i, True)
                share /= max(self._reader.subjects, 1) if op == EQ else 8
            else:
                if is_exact(column, op, index.get_aConstraint_rhs(i)):
                    index.set_aConstraintUsage_omit(i, True)
                share = 0.0 if op == EQ else share / 4
            taken.append(f"{column}:{op}")
            index.set_aConstraintUsage_argvIndex(i, len(taken))
        used = index.colUsed
        index.idxNum = WITH_HEADERS * (HEADERS in used) | WITH_PAYLOADS * (PAYLOAD in used)
        if index.nOrderBy == 1 and index.get_aOrderBy_iColumn(0) in (-1, SEQ):
            index.orderByConsumed = True
            index.idxNum |= DESCENDING * index.get_aOrderBy_desc(0)
        index.idxStr = " ".join(taken)
        rows = max(self._reader.messages * share, 1.0)
        index.estimatedRows = int(rows)
        index.estimatedCost = rows + 10
        return True

    @staticmethod
    def _compares(index: apsw.IndexInfo, i: int, column: int) -> bool:
        """Whether it compares as the column does: a query may name another collation."""
        return column not in (TIME, SUBJECT) or index.get_aConstraint_collation(i) == (
            TIMES if column == TIME else "BINARY"
        )

    def Open(self) -> Cursor:
        if self.open >= MOST_CURSORS:
            raise apsw.SQLError(f"a query reads the messages {MOST_CURSORS} times at most")
        self.open += 1
        return Cursor(self, self._reader)

    def Disconnect(self) -> None:
        """Nothing is held."""

    Destroy = Disconnect


class Cursor:
    """One walk through messages."""

    def __init__(self, table: Table, reader: Reader) -> None:
        self._table = table
        self._reader = reader
        self._batches: Iterator[Sequence[Row]] | None = None
        self._rows: Sequence[Row] = ()
        self._at = self._end = 0
        self._columns: list[list[Any] | None] = []

    def Filter(self, number: int, text: str | None, arguments: tuple[Any, ...]) -> None:
        conditions: list[tuple[int, int, object]] = []
        hint = 0
        for name, value in zip((text or "").split(), arguments, strict=True):
            column, _, op = name.partition(":")
            if int(op) in (LIMIT, OFFSET):
                hint += value if isinstance(value, int) and value > 0 else 0
            else:
                conditions.append((int(column), int(op), value))
        try:
            scan = scan_for(conditions)
        except PatternError as error:
            raise apsw.SQLError(str(error)) from None
        scan.descending = bool(number & DESCENDING)
        scan.headers = bool(number & WITH_HEADERS)
        scan.payloads = bool(number & WITH_PAYLOADS)
        scan.hint = hint
        self._leave()
        self._batches = iter(()) if scan.is_empty else self._reader.read(scan)
        self._go_on()

    def _go_on(self) -> None:
        """Take the next batch that has rows, none where there is no more."""
        self._rows = next(filter(None, self._batches or ()), ())
        self._at, self._end = 0, len(self._rows)
        self._columns = [None] * len(COLUMNS)

    def Next(self) -> None:
        self._at += 1
        if self._at == self._end:
            self._go_on()

    def Eof(self) -> bool:
        return self._at == self._end

    def Column(self, number: int) -> Any:
        values = self._columns[number]
        if values is None:
            values = self._columns[number] = COLUMNS[number](self._rows)
        return values[self._at]

    def Rowid(self) -> int:
        return self._rows[self._at][0]

    def Close(self) -> None:
        self._leave()
        self._table.open -= 1

    def _leave(self) -> None:
        """Let go of what is being read."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()
        self._batches = None
