"""What a subject is: tokens, wildcards, and when one is valid."""
