"""Backups of streams, as natscli and Go servers write and read them."""
