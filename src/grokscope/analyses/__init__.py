"""Analyses of stored runs: results with scalars and arrays, cached by the hash of their options."""
