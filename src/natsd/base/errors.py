"""Errors that reach who runs or embeds a server. What a peer is told over the wire is in protocol/errors.py."""

from __future__ import annotations


class NatsdError(Exception):
    """Anything natsd raises on its own account; the text is meant for people."""


class OptionsError(NatsdError):
    """An option has a value that cannot be, or two options contradict each other."""

    kind = ""
    """What a line about it begins with, where tools look for it."""


class StorageError(NatsdError):
    """JetStream's directory cannot be used. The text is one line, fit for the log."""


class ListenError(NatsdError):
    """A port cannot be listened on. The text is one line, fit for the log."""
