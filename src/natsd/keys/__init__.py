"""Keys: how nkeys are written, and what was signed with them."""
