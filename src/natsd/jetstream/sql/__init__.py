"""SQL over a stream: its request, and the walk through messages that answers it."""
