"""The server's own service in the system account: answers to requests, and events about what happens."""
