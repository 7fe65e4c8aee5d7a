"""Sockets on the event loop. What bytes mean is decided elsewhere."""
