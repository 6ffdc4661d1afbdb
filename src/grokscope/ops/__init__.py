"""Mathematics on tensors and functions. Knows no runs."""
