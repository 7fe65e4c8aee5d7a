"""The monitoring port under TLS: handshakes that do not end, and certificates that are renewed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from natsd.base.errors import OptionsError
from natsd.base.log import silent
from natsd.base.tls_options import TlsOptions
from natsd.embed import new_loop
from natsd.monitor import http
from natsd.monitor.site import Site
from tests.certificates import Authority
from tests.monitor.fakes import FakeServer

Loop = Callable[[], asyncio.AbstractEventLoop]


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
    assert (await asyncio.wait_for(reader.readline(), 60)).startswith(b"HTTP/1.1 200")
    name: str = writer.get_extra_info("peercert")["subject"][0][0][1]
    writer.close()
    return name


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, new_loop])
def test_new_certificates_are_for_new_visitors(authority: Authority, make_loop: Loop) -> None:
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

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(story())


def test_without_tls_there_is_nothing_to_renew(authority: Authority) -> None:
    site = Site(FakeServer(), silent(), "127.0.0.1", -1)
    site.renew(options(authority.sign("unused")))
    assert site.scheme == "http"


@pytest.mark.parametrize("make_loop", [asyncio.new_event_loop, new_loop])
def test_handshakes_that_do_not_end_are_few_and_short(
    make_loop: Loop, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(http, "MAX_VISITORS", 5)
    monkeypatch.setattr(http, "HEAD_TIMEOUT_S", 1.5)

    async def story() -> None:
        site = Site(FakeServer(), silent(), "127.0.0.1", -1, options(authority.sign("porter")))
        await site.start()
        half_open = [await asyncio.open_connection("127.0.0.1", site.port) for _ in range(8)]
        while len(site._listener.handshakes) < 5:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert len(site._listener.handshakes) == 5
        for reader, writer in half_open:
            try:
                assert await asyncio.wait_for(reader.read(), 60) == b""
            except ConnectionError:
                pass
            writer.close()
        assert not site._listener.handshakes
        assert await visit(site, authority) == "porter"
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        while not site._listener.handshakes:
            await asyncio.sleep(0.01)
        site.stop()
        while site._listener.handshakes:
            await asyncio.sleep(0.01)
        writer.close()

    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(asyncio.wait_for(story(), 60))


def test_without_descriptors_nobody_is_let_in_for_a_while(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "REST_S", 0.05)

    async def story() -> None:
        site = Site(FakeServer(), silent(), "127.0.0.1", -1, options(authority.sign("rest")))
        await site.start()
        calls: list[int] = []

        class Full:
            """A listening socket of a system that has no more descriptors, once."""

            def fileno(self) -> int:
                return real.fileno()

            def close(self) -> None:
                real.close()

            def accept(self) -> Any:
                calls.append(1)
                if len(calls) == 1:
                    raise OSError(24, "Too many open files")
                return real.accept()

        listener = site._listener
        assert listener._listening is not None
        real, full = listener._listening, Full()
        loop = asyncio.get_running_loop()
        loop.remove_reader(real.fileno())
        listener._listening = full  # type: ignore[assignment]
        assert site._context is not None
        loop.add_reader(full.fileno(), listener._accept, full, site._context)
        assert await visit(site, authority) == "rest"
        assert len(calls) < 10
        site.stop()

    asyncio.run(story())
