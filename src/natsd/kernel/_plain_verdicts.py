"""Plain form of the remembered answers of a permission hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 8192  # answers kept


class Verdicts:
    """`check(subject) -> bool`, asked once per subject. seed: the road's."""

    __slots__ = ("_answers", "check")

    def __init__(self, check: Callable[[bytes], bool], seed: int) -> None:
        self.check = check
        self._answers: dict[bytes, bool] = {}

    def allows(self, subject: bytes) -> bool:
        """The answer for a subject, remembered or asked for."""
        answer = self._answers.get(subject)
        if answer is None:
            answer = bool(self.check(subject))
            if len(self._answers) >= MOST:
                self._answers.clear()
            self._answers[subject] = answer
        return answer

    def forget(self) -> None:
        """Drop every answer."""
        self._answers.clear()
