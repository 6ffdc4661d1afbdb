"""The figures of a run or a sweep as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from grokscope.errors import ConfigError
from grokscope.plots import PLOTS, Plot, save
from grokscope.plots.files import IMAGES
from grokscope.store import Run

T = TypeVar("T")


def write_figures(run: Run, ending: str) -> list[Path]:
    """Write every figure the run has to its folder `figures`; return where.

    ending: `html`, `png`, `svg` or `pdf`. Raises ConfigError for an image where no Chrome is.
    """
    return write_plots(PLOTS, run, run.path / "figures", ending)


def write_plots(plots: Mapping[str, Plot[T]], subject: T, folder: Path, ending: str) -> list[Path]:
    """Write each plot that applies to a run, or to what a sweep found, to `folder`."""
    folder.mkdir(exist_ok=True)
    targets = []
    for part in sorted(plots.values(), key=lambda part: part.order):
        if part.applies(subject):
            target = folder / f"{part.name}.{ending.lstrip('.')}"
            save(part.function(subject), target)
            targets.append(target)
    return targets


def write_images(run: Run, endings: Sequence[str] = IMAGES) -> tuple[list[Path], str]:
    """Write the figures as images where a Chrome is installed; return where, and why not else.

    The reason is one line, empty where all were written.
    """
    written: list[Path] = []
    try:
        for ending in endings:
            written += write_figures(run, ending)
    except ConfigError as error:
        return written, str(error)
    return written, ""
