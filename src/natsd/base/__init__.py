"""The ground every room stands on: clock, chance, versions, errors, log."""
