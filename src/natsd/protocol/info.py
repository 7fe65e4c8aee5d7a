"""INFO, the line a server introduces itself with: the record, and its rendering for one client.

What is the same for every client of a server is rendered once; each client's line only adds its own few fields.
"""

from __future__ import annotations

import sys

from natsd.base.version import API_LEVEL, NATS_VERSION, PROTO

FLAVOUR = f"natsd/python{sys.version_info.major}.{sys.version_info.minor}"
"""What stands in the field `go`, which every client expects and none reads."""


def quote_json(text: str) -> str:
    """A JSON string."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    from json import dumps

    return dumps(text)


class Info:
    """What a server says about itself. After a change of anything but `connect_urls` and `ldm` call `refresh`."""

    __slots__ = (
        "_common_part",
        "auth_required",
        "cluster",
        "connect_urls",
        "domain",
        "headers",
        "host",
        "jetstream",
        "ldm",
        "max_payload",
        "port",
        "server_id",
        "server_name",
        "tls_available",
        "tls_required",
        "tls_verify",
    )

    def __init__(
        self,
        server_id: str,
        server_name: str = "",
        *,
        host: str = "0.0.0.0",
        port: int = 4222,
        headers: bool = True,
        auth_required: bool = False,
        max_payload: int = 1 << 20,
    ) -> None:
        self.server_id = server_id
        self.server_name = server_name or server_id
        self.host = host
        self.port = port
        self.headers = headers
        self.auth_required = auth_required
        self.max_payload = max_payload
        self.jetstream = False
        self.cluster = ""
        self.domain = ""
        self.tls_required = False
        self.tls_verify = False
        self.tls_available = False
        self.connect_urls: tuple[str, ...] = ()
        self.ldm = False
        self._common_part = ""
        self.refresh()

    def refresh(self) -> None:
        """Render anew what all clients are told alike."""
        part = (
            f'INFO {{"server_id":{quote_json(self.server_id)},"server_name":{quote_json(self.server_name)}'
            f',"version":"{NATS_VERSION}","proto":{PROTO},"go":"{FLAVOUR}"'
            f',"host":{quote_json(self.host)},"port":{self.port},"headers":{_bool(self.headers)}'
        )
        if self.auth_required:
            part += ',"auth_required":true'
        self._common_part = part + self._tls_part(self.tls_required)

    def _tls_part(self, required: bool) -> str:
        fields = (("required", required), ("verify", self.tls_verify), ("available", self.tls_available))
        return "".join(f',"tls_{name}":true' for name, value in fields if value)

    def render(
        self,
        client_id: int,
        client_ip: str,
        *,
        max_payload: int = -1,
        nonce: str = "",
        connect_info: bool = False,
        remote_account: str = "",
        is_system_account: bool = False,
        tls_first: bool = False,
    ) -> bytes:
        """The line for one client, with a blank before its end as the Go server has it.

        max_payload: -1 for the server's own limit. connect_info, remote_account and is_system_account belong to the
        INFO that follows a client's first PING (NATS 2.12). tls_first: this client has TLS already, so it is required
        of it even where others may do without.
        """
        common = self._common_part
        if tls_first and not self.tls_required:
            common = common.removesuffix(self._tls_part(False)) + self._tls_part(True)
        part = f'{common},"max_payload":{self.max_payload if max_payload < 0 else max_payload}'
        if self.jetstream:
            part += ',"jetstream":true'
        part += f',"client_id":{client_id},"client_ip":{quote_json(client_ip)}'
        if nonce:
            part += f',"nonce":{quote_json(nonce)}'
        if self.cluster:
            part += f',"cluster":{quote_json(self.cluster)}'
        if self.domain:
            part += f',"domain":{quote_json(self.domain)}'
        if self.connect_urls:
            part += f',"connect_urls":[{",".join(map(quote_json, self.connect_urls))}]'
        if self.ldm:
            part += ',"ldm":true'
        if connect_info:
            part += ',"connect_info":true'
        if remote_account:
            part += f',"remote_account":{quote_json(remote_account)}'
        if is_system_account:
            part += ',"acc_is_sys":true'
        return f'{part},"api_lvl":{API_LEVEL}}} \r\n'.encode()


def _bool(value: bool) -> str:
    return "true" if value else "false"
