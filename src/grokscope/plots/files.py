"""Figures as files: interactive HTML always, images where a Chrome is installed."""

from importlib.util import find_spec
from pathlib import Path

import plotly.graph_objects as go

from grokscope.errors import ConfigError

IMAGES = (".png", ".svg", ".pdf")


def check_ending(path: Path) -> None:
    """Raise ConfigError unless a figure can be written under this name."""
    if path.suffix not in (".html", *IMAGES):
        raise ConfigError(f"{path}: expected .html, {', '.join(IMAGES)}")


def save(figure: go.Figure, path: Path, *, width: int = 900) -> None:
    """Write a figure as `.html`, or as `.png`, `.svg` or `.pdf` through kaleido.

    Raises ConfigError for another ending, or in one line where kaleido or its Chrome is missing.
    """
    check_ending(path)
    if path.suffix == ".html":
        figure.write_html(path, include_plotlyjs=True, full_html=True, auto_play=False)
        return
    if find_spec("kaleido") is None:
        raise ConfigError(f"{path}: images need kaleido: pip install 'grokscope[images]'")
    try:
        figure.write_image(path, width=width, scale=2)
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"{path}: images need an installed Chrome or Chromium: {reason}"
        ) from None
