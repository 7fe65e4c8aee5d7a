"""Rooms in two forms with one surface: native where it was built, plain elsewhere or where NATSD_PLAIN=1 wants it."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def form_of(room: str, sign: str) -> str:
    """Which form of a room (a package) runs, all of it. sign: the module that stands for its native form. Raises
    ImportError where that is there and cannot be loaded: half a native build is no reason for the slower form."""
    if os.environ.get("NATSD_PLAIN") != "1":
        name = f"{room}._native_{sign}"
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
        else:
            return "native"
    return "plain"


def loader(room: str, form: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a room: each name is loaded from its home (a module of that form) when first asked for."""

    def load(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        value = getattr(import_module(f"{room}._{form}_{home}"), name)
        setattr(sys.modules[room], name, value)
        return value

    return load
