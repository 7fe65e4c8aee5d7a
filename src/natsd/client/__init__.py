"""A thin synchronous NATS client for our own commands: one thread, one socket, nothing in the background.

Whoever uses it hands in the scanner (`natsd.kernel.ClientScanner`), so that this room knows no other.
"""
