"""The commands of `nats`, in rooms by what they are about; a file is imported when its command is used."""
