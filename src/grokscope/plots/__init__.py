"""Figures: one function each, drawn with plotly in one style."""

from grokscope.plots.base import PLOTS, SWEEP_PLOTS, Plot, plot, sweep_plot
from grokscope.plots.files import check_ending, save

__all__ = ["PLOTS", "SWEEP_PLOTS", "Plot", "check_ending", "plot", "save", "sweep_plot"]
