"""Dynamics other than training, simulated or solved: each gives what the rest can read."""
