"""What a person sees while a sweep trains: one live table on a terminal, lines elsewhere."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table
from rich.text import Text

from grokscope.cli.console import err

if TYPE_CHECKING:
    from grokscope.config import RunConfig
    from grokscope.sweeps import Standing
    from grokscope.workers import News

STYLES = {
    "running": "bold",
    "finished": "green",
    "done": "green",
    "failed": "red",
    "diverged": "yellow",
    "again": "yellow",
}
SPARE = 6
"""Lines of the terminal that the table leaves free."""


class Follower:
    """What is known of each member; told of News, it shows them as lines."""

    def __init__(self, configs: "Mapping[str, RunConfig]", stands: "Standing") -> None:
        self.steps = {name: config.steps for name, config in configs.items()}
        self.states = dict.fromkeys(configs, "waiting") | dict.fromkeys(stands.done, "done")
        self.news: dict[str, News] = {}
        self.failures: dict[str, str] = {}
        self._begun: dict[str, tuple[float, int]] = {}

    def __call__(self, news: "News") -> None:
        """Take note of where a member is."""
        self.news[news.name] = news
        self.states[news.name] = news.state
        if news.state == "failed":
            self.failures[news.name] = news.reason
        if news.state == "running":
            self._begun.setdefault(news.name, (time.monotonic(), news.step))
        else:
            self._begun.pop(news.name, None)
        self.show(news)

    def show(self, news: "News") -> None:
        """Print a line when a member ends or is begun again."""
        if news.state == "running":
            return
        over = sum(state not in ("waiting", "running", "again") for state in self.states.values())
        told = f"[{over}/{len(self.states)}] {news.name}: {news.state} at step {news.step:,}"
        accuracies = f", train {news.train_acc:.4f}, test {news.test_acc:.4f}"
        words = told + (accuracies if news.step else "")
        err.print(words + (f": {news.reason}" if news.reason else ""), markup=False)

    def remaining(self, name: str) -> float | None:
        """Return the seconds a running member needs to its last step, None while unknown."""
        start, first = self._begun.get(name, (0.0, 0))
        step = self.news[name].step if name in self.news else 0
        if step <= first or not start:
            return None
        return (time.monotonic() - start) / (step - first) * (self.steps[name] - step)


class _TableFollower(Follower):
    """Shows the members as one table that is drawn anew twice a second."""

    def show(self, news: "News") -> None:
        """Say nothing: the table is drawn anew."""

    def __rich__(self) -> Table:
        return table(self, err.height - SPARE)


def table(follower: Follower, height: int) -> Table:
    """Return the members as a table of at most `height` rows: those under way, then the others."""
    from grokscope.cli.sweep import duration

    grid = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    grid.add_column("member", no_wrap=True)
    for column in ("step", "train", "test"):
        grid.add_column(column, justify="right")
    grid.add_column("state")
    grid.add_column("left", justify="right")
    order = ["running", "again", "failed", "waiting", "diverged", "interrupted", "finished", "done"]
    names = sorted(follower.states, key=lambda name: order.index(follower.states[name]))
    shown = names if len(names) <= height else names[: max(height - 1, 1)]
    for name in shown:
        state, news = follower.states[name], follower.news.get(name)
        left = follower.remaining(name) if state == "running" else None
        grid.add_row(
            Text(name),
            f"{news.step:,}/{follower.steps[name]:,}" if news else f"{follower.steps[name]:,}",
            f"{news.train_acc:.3f}" if news else "",
            f"{news.test_acc:.3f}" if news else "",
            Text(
                f"{state}: {news.reason}" if news and news.reason else state,
                STYLES.get(state, "dim"),
            ),
            duration(left) if left is not None else "",
        )
    if len(shown) < len(names):
        rest = [follower.states[name] for name in names[len(shown) :]]
        told = ", ".join(f"{rest.count(state)} {state}" for state in order if state in rest)
        grid.add_row(Text(f"and {told}", "dim"))
    return grid


def _words(state: str, news: "News | None") -> str:
    return f"{state}: {news.reason}" if news and news.reason else state


@contextmanager
def following(
    title: str, configs: "Mapping[str, RunConfig]", stands: "Standing"
) -> Iterator[Follower]:
    """Yield what is told of News: a live table on a terminal, lines elsewhere."""
    if not err.is_terminal:
        yield Follower(configs, stands)
        return
    follower = _TableFollower(configs, stands)
    with Live(follower, console=err, refresh_per_second=2):
        yield follower
