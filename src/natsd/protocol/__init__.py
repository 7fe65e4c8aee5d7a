"""What the wire says: records, texts and constants of the NATS client protocol."""
