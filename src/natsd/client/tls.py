"""A client's connection under TLS. To be imported only where TLS is spoken: loading ssl takes a while."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from natsd.client.errors import BadTlsFile
from natsd.client.transport import READ_BYTES, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from natsd.client.transport import TlsFiles

RECORD_BYTES = 16384


class TlsTransport(Transport):
    """A connected socket under TLS."""

    __slots__ = ("_tls",)

    def __init__(self, sock: ssl.SSLSocket) -> None:
        super().__init__(sock)
        self._tls = sock

    def read_now(self) -> bytes | None:
        parts: list[bytes] = []
        size = 0
        try:
            while size < READ_BYTES:
                data = self._tls.recv(RECORD_BYTES)
                if not data:
                    break
                parts.append(data)
                size += len(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not parts:
                return None
        except (OSError, EOFError):
            # What came before is not lost; the next read meets the same end.
            if not parts:
                raise
        if not parts:
            raise EOFError
        return b"".join(parts)

    def wait(self, timeout_s: float | None, other_fd: int = -1, to_write: bool = False) -> tuple[bool, bool]:
        if self._tls.pending():
            # Decrypted already: the socket itself may stay silent.
            return True, super().wait(0, other_fd, to_write)[1]
        return super().wait(timeout_s, other_fd, to_write)

    def write(self, data: bytes | bytearray | memoryview, take: Callable[[bytes], None], stall_s: float) -> None:
        self.sent = 0
        view = memoryview(data)
        size = len(view)
        while self.sent < size:
            try:
                # A record at a time, so that `sent` is exact; what was refused has to be offered again unchanged.
                self.sent += self._tls.send(view[self.sent : self.sent + RECORD_BYTES])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                readable, writable = self.wait(stall_s, to_write=True)
                if readable:
                    arrived = self.read_now()
                    if arrived is not None:
                        take(arrived)
                elif not writable:
                    raise TimeoutError(f"nothing could be sent for {stall_s:g} s") from None


def secure(transport: Transport, name: str, files: TlsFiles, timeout_s: float) -> TlsTransport:
    """The handshake on a connected transport; `name` is what the server's certificate has to be for.

    Raises BadTlsFile, and OSError where the handshake fails.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if files.ca_file:
            context.load_verify_locations(files.ca_file)
        else:
            context.load_default_certs()
    except (OSError, ValueError) as error:
        raise BadTlsFile(f'nats: cannot use CA file "{files.ca_file}": {_words(error)}') from None
    try:
        if files.cert_file:
            context.load_cert_chain(files.cert_file, files.key_file or None)
    except (OSError, ValueError) as error:
        about = f'certificate "{files.cert_file}" with key "{files.key_file or files.cert_file}"'
        raise BadTlsFile(f"nats: cannot use {about}: {_words(error)}") from None
    sock = transport.release()
    sock.settimeout(max(timeout_s, 0.001))
    try:
        wrapped = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
    except BaseException:
        sock.close()
        raise
    try:
        wrapped.do_handshake()
    except BaseException as error:
        wrapped.close()
        if isinstance(error, ssl.SSLError):
            raise ConnectionError(f"tls: {_words(error)}") from None
        raise
    return TlsTransport(wrapped)


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
