"""Streams: their configuration, what is published into them, what leaves them, where else they take messages from."""
