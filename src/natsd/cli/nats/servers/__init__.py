"""Commands about servers, accounts and connections, most of them over the system account."""
