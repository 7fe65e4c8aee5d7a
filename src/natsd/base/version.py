"""The versions: natsd's own, and that of the NATS server whose behaviour it keeps and announces to clients."""

from __future__ import annotations

VERSION = "0.1.0"
NATS_VERSION = "2.12.0"
API_LEVEL = 2
"""The JetStream API level (ADR-44) that is there as a whole: that of 2.12. Some of what came later is there too."""
PROTO = 1
"""1: clients may be sent INFO at any time and may say echo:false."""
