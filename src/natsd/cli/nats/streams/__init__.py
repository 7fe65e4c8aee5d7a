"""Commands about streams, and what they share with those about consumers."""
