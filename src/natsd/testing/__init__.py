"""For tests of programs that use NATS: pytest fixtures with a server each, and a check for what was left behind."""
