"""What a query wants to read of a stream: the part of its conditions that whoever has the messages can look after."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Protocol

    Row = tuple[int, int, bytes] | tuple[int, int, bytes, bytes | None, bytes]
    """seq, time_ns, subject; header block and payload where one of them is asked for, empty where it is not."""

    class Reader(Protocol):
        """Who has the messages. messages, subjects: about how many there are."""

        messages: int
        subjects: int

        def read(self, scan: Scan) -> Iterator[Sequence[Row]]:
            """The messages of a scan in its order, in batches; never fewer than it asks for."""
            ...


MOST = (1 << 63) - 1


class Scan:
    """A part of a stream.

    first, last: sequences. since_ns, until_ns: wall clock. Both inclusive; an empty range means that nothing is wanted.
    pattern: a subject, wildcards allowed, empty for all. prefix: how subjects begin (caseless: in any case of ASCII
    letters). headers, payloads: whether they are needed. hint: about how many messages will do, 0 for all.
    """

    __slots__ = (
        "caseless",
        "descending",
        "first",
        "headers",
        "hint",
        "last",
        "pattern",
        "payloads",
        "prefix",
        "since_ns",
        "until_ns",
    )

    def __init__(
        self,
        first: int = 1,
        last: int = MOST,
        since_ns: int = -MOST,
        until_ns: int = MOST,
        pattern: str = "",
        prefix: str = "",
        caseless: bool = False,
        descending: bool = False,
        headers: bool = True,
        payloads: bool = True,
        hint: int = 0,
    ) -> None:
        self.first = first
        self.last = last
        self.since_ns = since_ns
        self.until_ns = until_ns
        self.pattern = pattern
        self.prefix = prefix
        self.caseless = caseless
        self.descending = descending
        self.headers = headers
        self.payloads = payloads
        self.hint = hint

    @property
    def is_empty(self) -> bool:
        return self.first > self.last or self.since_ns > self.until_ns

    def clear(self) -> None:
        """Want nothing."""
        self.first, self.last = 1, 0

    def as_list(self) -> list[int | str | bool]:
        """The arguments of the constructor, in their order."""
        return [
            self.first,
            self.last,
            self.since_ns,
            self.until_ns,
            self.pattern,
            self.prefix,
            self.caseless,
            self.descending,
            self.headers,
            self.payloads,
            self.hint,
        ]
