"""Contexts of the `nats` command: connections by name, in the files where other NATS command lines keep them.

1. A context is a JSON object of `KEYS`. Whatever else is in its file stays there when it is written again.
2. Directories are made with 0700, files with 0600 and written beside and renamed: a reader sees the old or the new one.
3. `context.txt` names the selected context, `previous-context.txt` the one selected before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from natsd.cli.draft import replace_file
from natsd.cli.exit_codes import CommandFailed

if TYPE_CHECKING:
    from typing import Any

KEYS: tuple[tuple[str, Any], ...] = (
    ("description", ""),
    ("url", ""),
    ("socks_proxy", ""),
    ("token", ""),
    ("user", ""),
    ("password", ""),
    ("creds", ""),
    ("nkey", ""),
    ("cert", ""),
    ("key", ""),
    ("ca", ""),
    ("nsc", ""),
    ("jetstream_domain", ""),
    ("jetstream_api_prefix", ""),
    ("jetstream_event_prefix", ""),
    ("inbox_prefix", ""),
    ("user_jwt", ""),
    ("user_seed", ""),
    ("color_scheme", ""),
    ("tls_first", False),
    ("windows_cert_store", ""),
    ("windows_cert_match_by", ""),
    ("windows_cert_match", ""),
    ("windows_ca_certs_match", None),
)
# Values that are paths: `~` and $VAR in them are filled in.
FILES = ("creds", "nkey", "cert", "key", "ca")
# Values that may be kept elsewhere and are named by a URI then.
SECRETS = ("creds", "nkey", "user_jwt", "user_seed", "token", "password")
SECRET_SCHEMES = ("op://", "nsc://")


class Context:
    """One context: its name, its file and what is in it."""

    def __init__(self, name: str, path: str, data: dict[str, Any]) -> None:
        self.name = name
        self.path = path
        self.data = data

    def text(self, key: str) -> str:
        """A value as it stands in the file. Raises CommandFailed where it is no text."""
        value = self.data.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise CommandFailed(f'context "{self.name}": {key} is not a text')
        return value

    def flag(self, key: str) -> bool:
        value = self.data.get(key) or False
        if not isinstance(value, bool):
            raise CommandFailed(f'context "{self.name}": {key} is neither true nor false')
        return value

    def value(self, key: str) -> str:
        """A value ready for use: paths expanded, secrets fetched from where their URI says."""
        text = self.text(key)
        if key in SECRETS and text:
            try:
                secret = read_secret(text)
            except (OSError, ValueError) as problem:
                reason = (problem.strerror or "").lower() if isinstance(problem, OSError) else problem
                raise CommandFailed(f'context "{self.name}": {key}: {reason}') from None
            if secret is not None:
                return secret
        return expand(text) if key in FILES else text

    def render(self) -> bytes:
        """The file: every known key in its order, then what else was there."""
        import json

        document = {key: self.data.get(key, default) for key, default in KEYS}
        document.update((key, value) for key, value in self.data.items() if key not in document)
        return json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"


def expand(path: str) -> str:
    """A path with `~` and environment variables filled in."""
    return os.path.expanduser(os.path.expandvars(path)) if path else path


def read_secret(text: str) -> str | None:
    """What a credential URI stands for, None for a text that is none. Raises ValueError, and OSError for a file."""
    if text.startswith("env://"):
        name = text[6:]
        value = os.environ.get(name)
        if value is None:
            raise ValueError(f"the environment variable {name} is not set")
        return value
    if text.startswith("file://"):
        with open(expand(text[7:]), encoding="utf-8") as file:
            return file.read().strip()
    if text.startswith("data:"):
        return _read_data(text[5:])
    for scheme in SECRET_SCHEMES:
        if text.startswith(scheme):
            raise ValueError(f"{scheme} is not supported yet")
    return None


def _read_data(rest: str) -> str:
    kind, found, body = rest.partition(",")
    if not found:
        raise ValueError("a data: URI needs a comma in front of its text")
    if not kind.endswith(";base64"):
        from urllib.parse import unquote

        return unquote(body)
    import base64

    try:
        return base64.b64decode(body, validate=True).decode()
    except ValueError:
        raise ValueError("a data: URI is not base64") from None


class Contexts:
    """The contexts of a user, below `folder` (default: XDG_CONFIG_HOME/nats)."""

    def __init__(self, folder: str = "") -> None:
        home = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
        self.folder = folder or os.path.join(home, "nats")

    # -- names

    def names(self) -> list[str]:
        try:
            files = os.listdir(os.path.join(self.folder, "context"))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name[:-5] for name in files if name.endswith(".json") and _is_name(name[:-5]))

    def is_known(self, name: str) -> bool:
        return _is_name(name) and os.path.exists(self.path_of(name))

    def path_of(self, name: str) -> str:
        """Where a context is kept. Raises CommandFailed for what cannot be a name."""
        if not _is_name(name):
            raise CommandFailed(f'invalid context name "{name}": no slashes, no blanks, no dot in front')
        return os.path.join(self.folder, "context", name + ".json")

    # -- selection

    @property
    def selected(self) -> str:
        """The name of the selected context, empty when there is none."""
        return self._read_name("context.txt")

    @property
    def previous(self) -> str:
        return self._read_name("previous-context.txt")

    def select(self, name: str) -> None:
        """Select a known context, or none with an empty name, and remember the one before."""
        if name:
            self.must_know(name)
        before = self.selected
        if before == name:
            return
        if before:
            self._write("previous-context.txt", before.encode())
        if name:
            self._write("context.txt", name.encode())
        else:
            os.unlink(os.path.join(self.folder, "context.txt"))

    def must_know(self, name: str) -> None:
        """Raises CommandFailed for an unknown context."""
        if not os.path.exists(self.path_of(name)):
            from difflib import get_close_matches

            close = get_close_matches(name, self.names(), 1)
            hint = f'did you mean "{close[0]}"?' if close else "nats context ls shows them"
            raise CommandFailed(f'unknown context "{name}" ({hint})')

    # -- files

    def load(self, name: str) -> Context:
        """A context by name, or a file by a path that ends in .json. Raises CommandFailed."""
        if name.endswith(".json") and (os.sep in name or not self.is_known(name)):
            path = expand(name)
            name = os.path.basename(name)[:-5]
        else:
            self.must_know(name)
            path = self.path_of(name)
        with open(path, "rb") as file:
            return Context(name, path, parse(file.read(), name))

    def save(self, context: Context) -> None:
        self._write(os.path.relpath(self.path_of(context.name), self.folder), context.render())

    def remove(self, name: str) -> None:
        """Remove a context. The selected one only when it is the last."""
        self.must_know(name)
        if self.selected == name:
            if self.names() != [name]:
                raise CommandFailed(f'context "{name}" is selected, select another one before removing it')
            self.select("")
        os.unlink(self.path_of(name))

    def _read_name(self, file: str) -> str:
        try:
            with open(os.path.join(self.folder, file), encoding="utf-8", errors="surrogateescape") as source:
                return source.read().strip()
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def _write(self, file: str, content: bytes) -> None:
        parent = os.path.dirname(self.folder)
        if parent:
            os.makedirs(parent, 0o700, exist_ok=True)
        for folder in (self.folder, os.path.join(self.folder, "context")):
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o700)
        # A link to a file that is kept elsewhere stays a link.
        replace_file(os.path.realpath(os.path.join(self.folder, file)), content)


def parse(raw: bytes, name: str) -> dict[str, Any]:
    """The content of a context's file. Raises CommandFailed."""
    import json

    try:
        data = json.loads(raw)
    except ValueError as problem:
        raise CommandFailed(f'context "{name}" is not JSON: {problem}') from None
    if not isinstance(data, dict):
        raise CommandFailed(f'context "{name}" is not a JSON object')
    return data


def _is_name(name: str) -> bool:
    return bool(name) and name.isprintable() and not any(char in name for char in "/\\ ") and not name.startswith(".")
