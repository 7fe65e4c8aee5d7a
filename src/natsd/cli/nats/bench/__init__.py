"""`nats bench`: the commands, the clients they start, what these found out."""
