"""The commands of `nats`, one file per command group; a file is imported when its command is used."""
