"""Keeping servers away from a store directory while somebody only reads it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from natsd.store.contract import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def hold(directory: str) -> Iterator[None]:
    """No server opens the directory meanwhile; others may look at it too. Raises StoreError where one has it, or where
    there is no store."""
    if not os.path.isdir(directory):
        raise StoreError(f"{directory} is not a directory")
    try:
        fd = os.open(os.path.join(directory, "LOCK"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise StoreError(f"{directory} holds no store") from None
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"{directory} is in use by a server: ask it, without --store-dir") from None
        yield
    finally:
        os.close(fd)
