"""The budgets that emberd must meet, measured. Run through `scripts/benchmark`."""
