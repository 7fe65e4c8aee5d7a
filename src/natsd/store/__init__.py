"""Where JetStream keeps messages: one contract, a store in memory and one on disk."""
