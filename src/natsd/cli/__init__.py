"""The two programs: `nats-server` and `nats`."""
