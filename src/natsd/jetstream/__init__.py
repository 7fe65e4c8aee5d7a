"""Streams, consumers and their API: services beside the road, on top of a store."""
