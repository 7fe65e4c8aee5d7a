"""The monitoring port under TLS: handshakes that do not end, and certificates that are renewed."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from natsd.base.errors import OptionsError
from natsd.base.log import silent
from natsd.base.tls_options import TlsOptions
from natsd.monitor import http
from natsd.monitor.site import Site
from tests.certificates import Authority
from tests.monitor.fakes import FakeServer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("https"))


def options(pair: tuple[str, str]) -> TlsOptions:
    return TlsOptions(cert_file=pair[0], key_file=pair[1])


async def visit(site: Site, authority: Authority) -> str:
    """Ask for a page; the name in the certificate that is shown."""
    context = ssl.create_default_context(cafile=authority.file)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port, ssl=context)
    writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
    name: str = writer.get_extra_info("peercert")["subject"][0][0][1]
    writer.close()
    return name


def test_new_certificates_are_for_new_visitors(authority: Authority) -> None:
    async def story() -> None:
        site = Site(FakeServer(), silent(), "127.0.0.1", -1, options(authority.sign("before")))
        await site.start()
        assert await visit(site, authority) == "before"
        site.renew(options(authority.sign("after")))
        assert await visit(site, authority) == "after"
        with pytest.raises(OptionsError):
            site.renew(options(("/none.pem", "/none.key")))
        assert await visit(site, authority) == "after"
        site.stop()

    asyncio.run(story())


def test_without_tls_there_is_nothing_to_renew(authority: Authority) -> None:
    site = Site(FakeServer(), silent(), "127.0.0.1", -1)
    site.renew(options(authority.sign("unused")))
    assert site.scheme == "http"


def test_handshakes_that_do_not_end_are_few_and_short(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(http, "MAX_VISITORS", 5)
    monkeypatch.setattr(http, "HEAD_TIMEOUT_S", 0.3)

    async def story() -> None:
        site = Site(FakeServer(), silent(), "127.0.0.1", -1, options(authority.sign("porter")))
        await site.start()
        half_open = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(8)]
        await asyncio.sleep(0.05)
        assert len(site._listener.porters) == 5
        for reader, writer in half_open:
            try:
                assert await asyncio.wait_for(reader.read(), 5) == b""
            except ConnectionError:
                pass
            writer.close()
        assert not site._listener.porters
        assert await visit(site, authority) == "porter"
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        await asyncio.sleep(0.05)
        site.stop()
        await asyncio.sleep(0.05)
        assert not site._listener.porters
        writer.close()

    asyncio.run(story())
