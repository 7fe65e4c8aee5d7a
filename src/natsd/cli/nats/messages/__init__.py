"""Commands about messages on their way: publish, subscribe, request, reply."""
