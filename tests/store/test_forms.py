"""One form of the store at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

LOAD = "import sys; sys.modules['natsd.store.%s'] = None; import natsd.store; natsd.store.Log; print(natsd.store.FORM)"


@pytest.mark.parametrize("missing", ["_native_log", "_native_index", "_native_pages"])
def test_half_a_native_build_is_an_error_and_no_mixture(missing: str) -> None:
    environment = {**os.environ, "NATSD_PLAIN": "0"}
    done = subprocess.run([sys.executable, "-c", LOAD % missing], env=environment, capture_output=True, text=True)
    if missing == "_native_index" or find_spec("natsd.store._native_index") is None:
        assert done.stdout == "plain\n"
    else:
        assert done.returncode == 1
        assert f"natsd.store.{missing}" in done.stderr


def test_the_plain_form_needs_no_native_one() -> None:
    environment = {**os.environ, "NATSD_PLAIN": "1"}
    done = subprocess.run([sys.executable, "-c", LOAD % "_native_log"], env=environment, capture_output=True, text=True)
    assert done.stdout == "plain\n"
