"""Consumers: their configuration and state, who gets the next message, what comes back."""
