"""Figures: one function each, drawn with plotly in one style."""

from grokscope.plots.base import PLOTS, Plot, plot
from grokscope.plots.save import save

__all__ = ["PLOTS", "Plot", "plot", "save"]
