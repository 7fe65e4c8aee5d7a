"""Certificates for tests, made with the openssl command: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """Signs certificates into a folder. Each is `<name>.pem` with its key in `<name>.key`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.name = name
        self.file = str(folder / f"{name}.pem")
        self._key = str(folder / f"{name}.key")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.file)  # fmt: skip

    def sign(self, name: str, *names: str, days: int = 2, subject: str = "", also: str = "") -> tuple[str, str]:
        """Certificate and key file for a server or client of these DNS names; 127.0.0.1 is always one.

        subject: as openssl writes it, "/CN=name" unless given. also: other alternative names, "email:a@b,URI:c".
        """
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        certificate, extensions = self.folder / f"{name}.pem", self.folder / f"{name}.ext"
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-utf8", "-subj", subject or f"/CN={name}", "-keyout", str(key), "-out", str(request))  # fmt: skip
        also = f",{also}" if also else ""
        also += "".join(f",DNS:{each}" for each in names or ("localhost",))
        extensions.write_text(f"subjectAltName=IP:127.0.0.1{also}\n")
        _openssl("x509", "-req", "-in", str(request), "-CA", self.file, "-CAkey", self._key, "-CAcreateserial",
                 "-days", str(days), "-extfile", str(extensions), "-out", str(certificate))  # fmt: skip
        return str(certificate), str(key)


def pin_of(certificate: str) -> str:
    """SHA-256 of a certificate's public key, as the openssl command has it."""
    pem = _openssl("x509", "-in", certificate, "-noout", "-pubkey")
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, capture_output=True, check=True)
    from hashlib import sha256

    return sha256(der.stdout).hexdigest()


def _openssl(*words: str) -> bytes:
    return subprocess.run(["openssl", *words], capture_output=True, check=True).stdout
