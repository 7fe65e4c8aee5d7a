"""Who a user is by a credentials file, an nkey or a JWT: from files, texts and URIs to what CONNECT needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natsd.cli.contexts import expand, read_secret
from natsd.cli.exit_codes import CommandFailed
from natsd.keys.seed import SEED_CHARS, Seed, find_seed, parse_credentials

if TYPE_CHECKING:
    from collections.abc import Callable

    Identity = tuple[str, str, Callable[[bytes], bytes] | None]


def read_identity(creds: str, nkey: str, jwt: str, seed: str) -> Identity:
    """(public nkey, JWT, how to sign): of creds, nkey and jwt the first one counts. Raises CommandFailed."""
    if creds:
        try:
            text, secret = parse_credentials(_content(creds))
        except (OSError, ValueError) as problem:
            raise _refused("credentials", creds, problem) from None
        return "", text, secret.sign if secret is not None else None
    if nkey:
        secret = _seed("nkey", nkey)
        return secret.public, "", secret.sign
    try:
        token, own = parse_credentials(_content(jwt))
    except (OSError, ValueError) as problem:
        raise _refused("JWT", jwt, problem) from None
    if seed:
        own = _seed("seed", seed)
    return "", token, own.sign if own is not None else None


def _seed(what: str, source: str) -> Seed:
    try:
        return find_seed(_content(source))
    except (OSError, ValueError) as problem:
        raise _refused(what, source, problem) from None


def _content(source: str) -> str:
    """The text behind a file name or a URI, or the text itself where it can be no file."""
    secret = read_secret(source)
    if secret is not None:
        return secret
    path = expand(source)
    if not os.path.exists(path) and _is_content(source):
        return source
    with open(path, encoding="utf-8") as file:
        return file.read()


def _is_content(source: str) -> bool:
    is_seed = len(source) == SEED_CHARS and source.startswith("S")
    return "\n" in source or is_seed or (source.count(".") == 2 and source.startswith("ey"))


def _refused(what: str, source: str, problem: Exception) -> CommandFailed:
    reason = (problem.strerror or str(problem)).lower() if isinstance(problem, OSError) else str(problem)
    # A path may be shown, a secret may not.
    shown = f' "{source}"' if os.sep in source and len(source) < 200 and "\n" not in source else ""
    return CommandFailed(f"cannot use {what}{shown}: {reason}")
