"""Requests to `$JS.API`: who answers which, what is asked, what is wrong with it."""
