"""Tenants: who shares subjects with whom."""
