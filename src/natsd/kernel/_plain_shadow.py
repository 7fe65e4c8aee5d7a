"""Plain form of how a subscription reaches into another account, and how one message is carried into another.

1. A Shadow stands in the sublist of the account that a stream is imported from, for a subscription of the importer (its
   origin). What it is given goes to the origin under the name that the importer has for the subject; the origin's
   filter, its count, its maximum and its connection's echo hold. A message that came over a border already is not
   given, nor is an answer to one, which is published under `_R_.`.
2. A Carrier is called at once with each message, inside the read, and says how many took it: nobody, and it is as if
   there were no such subscription.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.kernel._plain_interest import Subscription

    Carry = Callable[..., int]

MOST = 8192  # names kept
ANSWERS = b"_R_."


class Renames:
    """`rename(subject) -> subject`, asked once per subject. Shared by all shadows of one import."""

    __slots__ = ("_names", "rename")

    def __init__(self, rename: Callable[[bytes], bytes]) -> None:
        self.rename = rename
        self._names: dict[bytes, bytes] = {}

    def name(self, subject: bytes) -> bytes:
        """What a subject is called, remembered or asked for."""
        name = self._names.get(subject)
        if name is None:
            name = self.rename(subject)
            if len(self._names) >= MOST:
                self._names.clear()
            self._names[subject] = name
        return name


class Shadow:
    """The handler of a subscription that stands for another one. names: None where subjects stay as they are."""

    __slots__ = ("names", "origin")

    def __init__(self, origin: Subscription, names: Renames | None = None) -> None:
        self.origin = origin
        self.names = names


class Carrier:
    """The handler of a subscription that takes messages at once: `carry(subject, reply, header, payload) -> int`.

    A fifth argument is the subject on the message's line, where it was matched by another.
    """

    __slots__ = ("carry",)

    def __init__(self, carry: Carry) -> None:
        self.carry = carry
