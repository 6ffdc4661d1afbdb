"""Pipelines: from training to figures in one call."""
