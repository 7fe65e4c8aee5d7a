"""Files that are written beside their place and renamed: a reader sees the old one or the new one, whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO, Self

OWN = 0o600
"""The mode of a file for its owner alone."""


class Draft:
    """Use as a context manager; what is written to `file` gets the name at the end, or goes where that is an error."""

    def __init__(self, path: str, mode: int = OWN) -> None:
        """Raises OSError, about the file itself."""
        self._path = path
        self._beside = f"{path}.{os.getpid()}.new"
        try:
            fd = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except OSError as problem:
            raise OSError(problem.errno, problem.strerror, path) from None
        self.file: BinaryIO = open(fd, "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.file.flush()
                os.fsync(self.file.fileno())
            self.file.close()
            if kind is None:
                os.replace(self._beside, self._path)
        finally:
            if os.path.exists(self._beside):
                os.unlink(self._beside)


def replace_file(path: str, content: bytes) -> None:
    """Write a file that its owner alone may read."""
    with Draft(path) as draft:
        draft.file.write(content)
