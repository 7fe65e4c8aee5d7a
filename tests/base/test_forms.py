"""Which form of a room runs, and that it is one form."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from natsd.base.forms import form_of, loader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package with a plain form of two modules, on the path under the name `someroom`."""
    monkeypatch.delenv("NATSD_PLAIN", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "someroom"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("road", "log"):
        (package / f"_plain_{name}.py").write_text(f"class {name.title()}: form = 'plain'\n")
    yield package
    for name in [name for name in sys.modules if name.split(".")[0] == "someroom"]:
        del sys.modules[name]


def build(room: Path, name: str, text: str | None = None) -> None:
    (room / f"_native_{name}.py").write_text(text or f"class {name.title()}: form = 'native'\n")


def test_without_a_native_form_the_plain_one_runs(room: Path) -> None:
    assert form_of("someroom", "road") == "plain"


def test_the_native_form_runs_where_it_was_built(room: Path) -> None:
    build(room, "road")
    assert form_of("someroom", "road") == "native"


def test_the_plain_form_can_be_asked_for(room: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(room, "road")
    monkeypatch.setenv("NATSD_PLAIN", "1")
    assert form_of("someroom", "road") == "plain"


@pytest.mark.parametrize("text", ["import nowhere_at_all", "raise ImportError('built for another Python')"])
def test_a_native_form_that_cannot_be_loaded_is_an_error(room: Path, text: str) -> None:
    build(room, "road", text)
    with pytest.raises(ImportError, match=r"nowhere_at_all|another Python"):
        form_of("someroom", "road")


def test_names_are_loaded_when_they_are_first_asked_for(room: Path) -> None:
    build(room, "road")
    import_by_name = loader("someroom", form_of("someroom", "road"), {"Road": "road", "Log": "log"})
    import someroom  # type: ignore[import-not-found]

    assert "Road" not in vars(someroom)
    road = import_by_name("Road")
    assert vars(someroom)["Road"] is road
    assert getattr(road, "form", "") == "native"
    with pytest.raises(ImportError, match="_native_log"):
        import_by_name("Log")  # half a build is no mixture
    with pytest.raises(AttributeError, match="module 'someroom' has no attribute 'Other'"):
        import_by_name("Other")
