"""Reports: one self-contained HTML file for a run."""

from grokscope.reports.run import write_report

__all__ = ["write_report"]
