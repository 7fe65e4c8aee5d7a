"""Who is this: credentials of every kind, and the one door that all connections come in by."""
