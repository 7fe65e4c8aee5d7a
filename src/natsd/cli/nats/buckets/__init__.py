"""Commands about key-value and object buckets."""
