"""Reports: one self-contained HTML file for a run."""

from grokscope.reports.figures import write_figures, write_images
from grokscope.reports.run import write_report

__all__ = ["write_figures", "write_images", "write_report"]
