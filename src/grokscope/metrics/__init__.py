"""Metrics: quantities of one snapshot, measured while a run trains."""

from grokscope.metrics.base import METRICS, Metric, measure, metric

__all__ = ["METRICS", "Metric", "measure", "metric"]
