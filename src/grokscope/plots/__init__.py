"""Figures: one function each, drawn with plotly in one style."""

from grokscope.plots.base import PLOTS, Plot, plot
from grokscope.plots.files import check_ending, save

__all__ = ["PLOTS", "Plot", "check_ending", "plot", "save"]
