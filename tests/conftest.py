"""What every test may rely on, however the suite is started."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # An installed natsd brings its fixtures by entry point; a checkout on the path does not.
    if not config.pluginmanager.hasplugin("natsd"):
        from natsd.testing import plugin

        config.pluginmanager.register(plugin, "natsd")
