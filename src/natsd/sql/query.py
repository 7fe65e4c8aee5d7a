"""Running one query: a database in memory with nothing in it but `messages`, where nothing but SELECT is let through.

1. The authorizer allows reading of `messages` and of what json_each and json_tree make, and the functions that SQLite
   itself calls innocuous. No ATTACH, PRAGMA, CREATE or extension gets past it.
2. One statement. Time is looked at by SQLite's progress handler and wherever messages are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import apsw

from natsd.sql.plan import PatternError, checked_pattern
from natsd.sql.table import NAME, TIMES, Module
from natsd.sql.values import compare_times
from natsd.subjects.match import matches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from natsd.sql.scan import Reader

    Value = int | float | str | bytes | None

TABLES = frozenset({NAME, "json_each", "json_tree"})
INNOCUOUS = 0x200000
MORE_FUNCTIONS = frozenset({"match", "median", "percentile", "percentile_cont", "percentile_disc"})
ACTIONS = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})
STEPS = 2000
"""Between two looks at the clock."""
LIMITS = (
    (apsw.SQLITE_LIMIT_LENGTH, 64 << 20),
    (apsw.SQLITE_LIMIT_SQL_LENGTH, 64 << 10),
    (apsw.SQLITE_LIMIT_EXPR_DEPTH, 200),
    (apsw.SQLITE_LIMIT_COMPOUND_SELECT, 50),
    (apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
    (apsw.SQLITE_LIMIT_ATTACHED, 0),
    (apsw.SQLITE_LIMIT_TRIGGER_DEPTH, 0),
    (apsw.SQLITE_LIMIT_WORKER_THREADS, 0),
)
COMMENT = re.compile(r"--[^\n]*|/\*.*?(\*/|\Z)", re.DOTALL)

NOT_JSON = "; json_valid(payload) AND ... leaves out the messages that are none"
INVALID, TIME_LIMIT, MEMORY_LIMIT = "invalid", "time", "memory"


class SqlError(Exception):
    """A query that cannot be answered. kind: INVALID, TIME_LIMIT or MEMORY_LIMIT."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Query:
    """One query on the messages of a reader. is_late: asked now and then whether to give up.

    spill: sorting may use temporary files, outside of any store. columns: names, known once rows are asked for.
    """

    def __init__(
        self, reader: Reader, text: str, *, is_late: Callable[[], bool] | None = None, spill: bool = False
    ) -> None:
        self.columns: list[str] = []
        self._text = text
        self._seen = 0
        self._is_late = is_late
        self._late = False
        self._database = self._open(reader, spill)

    def _open(self, reader: Reader, spill: bool) -> apsw.Connection:
        database = apsw.Connection(":memory:", statementcachesize=0)
        functions = database.execute("SELECT name FROM pragma_function_list WHERE flags & ?", (INNOCUOUS,))
        self._functions = {str(name) for (name,) in functions} | MORE_FUNCTIONS
        self._modules = {str(name) for (name,) in database.execute("SELECT name FROM pragma_module_list")} - TABLES
        if not spill:
            database.execute("PRAGMA temp_store = MEMORY")
        for limit, most in LIMITS:
            database.limit(limit, most)
        database.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        database.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        # A name in double quotes that is no column is a mistake, not a text.
        database.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        database.create_collation(TIMES, compare_times)
        database.create_scalar_function("match", _match, 2, deterministic=True)
        module: Any = Module(reader)
        database.create_module(NAME, module, use_bestindex_object=True, eponymous_only=True, read_only=True)
        database.exec_trace = self._on_statement
        if self._is_late is not None:
            database.set_progress_handler(self._on_progress, STEPS)
        database.authorizer = self._authorize
        return database

    def __iter__(self) -> Iterator[tuple[Value, ...]]:
        """The rows. Raises SqlError, and whatever the reader raises."""
        try:
            yield from self._database.execute(self._text)
        except apsw.InterruptError:
            if not self._late:
                raise
            raise SqlError(TIME_LIMIT, "the query took longer than it may") from None
        except (apsw.NoMemError, MemoryError):
            raise SqlError(MEMORY_LIMIT, "the query needs more memory than it may have") from None
        except (apsw.Error, UnicodeError) as error:
            text = str(error).removeprefix("SQLError: ")
            raise SqlError(INVALID, text + (NOT_JSON if text == "malformed JSON" else "")) from None
        if not self.columns:
            raise SqlError(INVALID, "there is no query in it")

    def close(self) -> None:
        """Let go of everything, also of what is being read."""
        self._database.close(True)

    def _on_progress(self) -> bool:
        self._late = self._is_late is not None and self._is_late()
        return self._late

    def _on_statement(self, cursor: apsw.Cursor, text: str, _: object) -> bool:
        self._seen += len(text)
        if _is_blank(text):
            return True
        if self.columns or not _is_blank(self._text[self._seen :]):
            raise SqlError(INVALID, "one query at a time, please")
        if not cursor.is_readonly:
            raise SqlError(INVALID, "only SELECT is possible")
        self.columns = [name for name, *_ in cursor.get_description()]
        return True

    def _authorize(self, action: int, first: Any, second: Any, database: str | None, _: object) -> int:
        if (
            action in ACTIONS
            or (action == apsw.SQLITE_READ and self._may_read(first.lower(), database))
            or (action == apsw.SQLITE_FUNCTION and second.lower() in self._functions)
        ):
            return apsw.SQLITE_OK
        return apsw.SQLITE_DENY

    def _may_read(self, table: str, database: str | None) -> bool:
        """Without a database it is a name of the query's own, or a table of which only the rows are counted."""
        if table in TABLES:
            return True
        return database is None and table not in self._modules and not table.startswith(("sqlite_", "pragma_"))


def _is_blank(text: str) -> bool:
    """Whether there are only comments in it."""
    return not COMMENT.sub("", text).strip(" \t\r\n\f;")


def _match(*operands: Any) -> int | None:
    """`subject MATCH pattern` where no scan looks after it; the pattern comes first."""
    pattern, subject = operands
    if pattern is None or subject is None:
        return None
    try:
        wanted = checked_pattern(pattern)
    except PatternError as error:
        raise apsw.SQLError(str(error)) from None
    return int(matches(wanted.encode(), str(subject).encode()))
