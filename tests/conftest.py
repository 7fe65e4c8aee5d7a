"""What every test may rely on, however the suite is started."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("natsd", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("natsd")

ONE_FORM = {"base", "config", "fuzz", "kernel", "keys", "protocol", "subjects", "test_project.py"}
"""What the form of the kernel and the store makes no difference to. The rooms are below both of them and cannot know
which runs; `kernel` and `fuzz` try both forms in one run; `test_project.py` looks at files."""


def pytest_configure(config: pytest.Config) -> None:
    # A suite that is started in the background, or under nohup, ignores signals, and so would the programs that it
    # starts. What is handled here is at its default there again.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    # An installed natsd brings its fixtures by entry point; a checkout on the path does not.
    if not config.pluginmanager.hasplugin("natsd"):
        from natsd.testing import plugin

        config.pluginmanager.register(plugin, "natsd")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] in ONE_FORM:
            item.add_marker("one_form")
