"""The ports file: under which URLs a server can be reached, for whoever started it with random ports."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from natsd.cli.server_flags import PROGRAM
from natsd.net.listener import ANY_HOSTS, join_host_port

if TYPE_CHECKING:
    from collections.abc import Iterator

SIOCGIFCONF = 0x8912
IFREQ_BYTES = 40
MAX_INTERFACES = 256


class PortsFile:
    """`<folder>/nats-server_<pid>.ports`, from the moment it is written until it is removed."""

    __slots__ = ("path",)

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, f"{PROGRAM}_{os.getpid()}.ports")

    def write(self, urls: dict[str, list[str]]) -> None:
        """Write the URLs by kind (nats, monitoring). Raises OSError."""
        from json import dumps

        # Whoever waits for the file reads it the moment it is there, so it has to appear as a whole.
        folder, name = os.path.split(self.path)
        half = os.path.join(folder, f".{name}.tmp")
        with open(half, "w", encoding="utf-8") as file:
            file.write(dumps(urls, separators=(",", ":")))
        os.replace(half, self.path)

    def remove(self) -> None:
        """Raises OSError."""
        os.remove(self.path)


def urls(scheme: str, host: str, port: int) -> list[str]:
    """Every URL under which a listener on `host` can be reached."""
    hosts = own_addresses() if host in ANY_HOSTS else [host]
    return [f"{scheme}://{join_host_port(address, port)}" for address in hosts]


def own_addresses() -> list[str]:
    """The addresses of this machine's interfaces, IPv4 first; the loopback address where they cannot be found out."""
    found = [*_addresses_v4(), *_addresses_v6()]
    return found or ["127.0.0.1"]


def _addresses_v4() -> Iterator[str]:
    try:
        from array import array
        from fcntl import ioctl
        from struct import pack, unpack

        room = array("B", bytes(IFREQ_BYTES * MAX_INTERFACES))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            answer = ioctl(sock.fileno(), SIOCGIFCONF, pack("iP", len(room), room.buffer_info()[0]))
        used: int = unpack("iP", answer)[0]
    except (ImportError, OSError):
        return
    for at in range(0, used, IFREQ_BYTES):
        yield socket.inet_ntoa(room[at + 20 : at + 24].tobytes())


def _addresses_v6() -> Iterator[str]:
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    for line in lines:
        yield socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line[:32]))
