"""Reports: one self-contained HTML file for a run, or for many."""

from grokscope.reports.figures import write_figures, write_images, write_plots
from grokscope.reports.run import write_report
from grokscope.reports.sweep import write_sweep_report

__all__ = ["write_figures", "write_images", "write_plots", "write_report", "write_sweep_report"]
