"""Monitoring: pure builders of pages from the state of a server, and HTTP beside them. Changes nothing."""
