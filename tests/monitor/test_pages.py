"""Which path shows what, and the site that serves it."""

from __future__ import annotations

import asyncio
import json

import pytest

from natsd.base.errors import ListenError
from natsd.base.log import Log
from natsd.monitor.http import Page
from natsd.monitor.pages import ENDPOINTS, Pages, base_path
from natsd.monitor.query import Query
from natsd.monitor.site import Site
from tests.monitor.fakes import FakeServer
from tests.monitor.test_http import Lines


class Desk:
    def __init__(self, **options: str) -> None:
        self.server = FakeServer(**options)
        self.lines = Lines()
        self.log = Log(self.lines, lambda: 0, logtime=False)
        self.pages = Pages(self.server, self.log)

    def ask(self, path: str, **query: str) -> Page:
        page = self.pages.find(path, Query(query))
        assert page is not None
        return page

    def text(self, path: str, **query: str) -> str:
        return "".join(self.ask(path, **query).body)


@pytest.mark.parametrize("path", [path for path, _ in ENDPOINTS if path not in ("/raftz", "/metrics")])
def test_every_linked_page_is_json_for_any_origin(path: str) -> None:
    page = Desk().ask(path)
    assert (page.status, page.content_type) == (200, "application/json")
    assert page.headers == (("Access-Control-Allow-Origin", "*"),)
    assert isinstance(json.loads("".join(page.body)), dict)


def test_the_index_links_to_every_page() -> None:
    desk = Desk()
    page = desk.ask("/")
    text = "".join(page.body)
    assert page.content_type == "text/html; charset=utf-8"
    for path, title in ENDPOINTS:
        assert f'<a href=".{path}">{title}</a>' in text


def test_below_a_base_path_are_all_pages_and_above_it_none() -> None:
    desk = Desk(http_base_path="/nats/")
    assert '<a href="/nats/varz">General</a>' in desk.text("/nats")
    assert json.loads(desk.text("/nats/varz"))["http_req_stats"] == {"/": 1, "/varz": 1}
    assert desk.text("/nats/") == desk.text("/nats")
    for path in ("/", "/varz", "/natsvarz", "/nats//"):
        assert desk.pages.find(path, Query()) is None


def test_what_is_not_there_is_status_404() -> None:
    page = Desk().ask("/raftz")
    assert (page.status, "".join(page.body)) == (404, "No Raft nodes registered")


def test_where_the_process_is_and_what_it_uses() -> None:
    desk = Desk()
    assert "test_where_the_process_is" in desk.text("/stacksz")
    found = json.loads(desk.text("/debug/vars"))
    assert len(found["cmdline"]) == 1 and found["memstats"]["Alloc"] > 1 << 20


@pytest.mark.parametrize("path", ["/nope", "/varz/", "/VARZ", ""])
def test_other_paths_have_no_page(path: str) -> None:
    assert Desk().pages.find(path, Query()) is None


def test_subscriptions_have_two_paths_and_one_count() -> None:
    desk = Desk()
    assert desk.text("/subsz") == desk.text("/subscriptionsz")
    desk.ask("/")
    desk.ask("/healthz")
    found = json.loads(desk.text("/varz"))
    assert found["http_req_stats"] == {"/": 1, "/healthz": 1, "/subsz": 2, "/varz": 1}


def test_healthz_is_on_one_line_and_the_others_are_indented() -> None:
    desk = Desk()
    assert desk.text("/healthz") == '{"status":"ok"}'
    assert desk.text("/connz").startswith('{\n  "server_id": "NSERVER",\n')


def test_ill_health_is_logged() -> None:
    desk = Desk()
    desk.server.lame = True
    assert desk.ask("/healthz").status == 500
    assert desk.ask("/healthz", details="1").status == 500
    assert desk.lines.text.splitlines() == [
        '[WRN] Healthcheck failed: "failed to be ready for connections: server"',
        "[WRN] Healthcheck failed: 1 errors",
    ]


def test_a_page_can_be_a_call_of_a_function() -> None:
    desk = Desk()
    page = desk.ask("/healthz", callback="a.b_$1")
    assert page.content_type == "application/javascript"
    assert "".join(page.body) == 'a.b_$1({"status":"ok"})'


@pytest.mark.parametrize("callback", ["alert(1)", "<script>", "a b", "a;b", "é"])
def test_a_page_cannot_be_any_other_program(callback: str) -> None:
    assert Desk().ask("/varz", callback=callback).status == 400


async def fetch(port: int, target: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    return text


def test_a_site_serves_the_pages_on_any_free_port() -> None:
    async def play() -> None:
        desk = Desk()
        site = Site(desk.server, desk.log, "127.0.0.1", -1)
        await site.start()
        assert site.port > 0 and site.url == f"http://127.0.0.1:{site.port}"
        assert desk.lines.text == f"[INF] Starting http monitor on 127.0.0.1:{site.port}\n"
        found = json.loads((await fetch(site.port, "/varz")).partition("\r\n\r\n")[2])
        assert found["http_port"] == site.port
        assert " 404 Not Found\r\n" in await fetch(site.port, "/nope")
        with pytest.raises(ListenError):
            await Site(desk.server, desk.log, "127.0.0.1", site.port).start()
        site.stop()

    asyncio.run(play())


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]")])
def test_the_url_of_a_site_can_be_connected_to(host: str, shown: str) -> None:
    desk = Desk()
    assert Site(desk.server, desk.log, host, 8222).url == f"http://{shown}:8222"


def test_under_a_base_path_all_pages_stand_there_and_nowhere_else() -> None:
    desk = Desk()
    desk.server = FakeServer(http_base_path="/x/y/")
    desk.pages = Pages(desk.server, desk.log)
    for path, title in ENDPOINTS:
        assert desk.ask("/x/y" + path).status == (404 if path == "/raftz" else 200)
        assert desk.pages.find(path, Query()) is None
        assert f'<a href="/x/y{path}">{title}</a>' in desk.text("/x/y")
    assert desk.text("/x/y/") == desk.text("/x/y")
    assert desk.pages.find("/", Query()) is None and desk.pages.find("/x", Query()) is None
    page = json.loads(desk.text("/x/y/varz"))
    assert page["http_base_path"] == "/x/y/"
    assert page["http_req_stats"]["/varz"] == 2


@pytest.mark.parametrize(
    ("given", "base"), [("", ""), ("/", ""), ("x", "/x"), ("/x/", "/x"), ("//x//y", "/x/y"), ("x/../../y", "/y")]
)
def test_a_base_path_is_brought_into_one_form(given: str, base: str) -> None:
    assert base_path(given) == base
