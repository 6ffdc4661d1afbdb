"""The figures of a run as files."""

from collections.abc import Sequence
from pathlib import Path

from grokscope.errors import ConfigError
from grokscope.plots import PLOTS, save
from grokscope.plots.files import IMAGES
from grokscope.store import Run


def write_figures(run: Run, ending: str) -> list[Path]:
    """Write every figure the run has to its folder `figures`; return where.

    ending: `html`, `png`, `svg` or `pdf`. Raises ConfigError for an image where no Chrome is.
    """
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    targets = []
    for part in PLOTS.values():
        if part.applies(run):
            target = folder / f"{part.name}.{ending.lstrip('.')}"
            save(part.function(run), target)
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
