"""What a group of faults found: trials, those that survived, and the broken builds it caught."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Score:
    """The outcome of one group.

    failures: one line for each trial that did not hold; caught: for each broken build (a negative
    control), whether the group noticed it; notes: what else a reader should know, such as a skip
    with its reason.
    """

    group: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    caught: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def survived(self) -> int:
        """Trials that held."""
        return self.tried - len(self.failures)

    @property
    def bound(self) -> float:
        """Upper end of the 95 % interval of the failure rate: 3/N where nothing failed."""
        if not self.tried:
            return 1.0
        return min(1.0, (3.0 + 2 * len(self.failures)) / self.tried)

    @property
    def sound(self) -> bool:
        """Whether every trial held and every broken build was caught."""
        return not self.failures and all(self.caught.values())


@dataclass(frozen=True)
class Group:
    """A group of faults: its trials, and how many of them a quick and a long run take.

    run(count, seed, folder) makes `count` seeded trials in an empty folder and returns the score.
    """

    name: str
    run: Callable[[int, int, Path], Score]
    quick: int
    long: int


def table(scores: Iterable[Score]) -> str:
    """Return the scoreboard as a Markdown table."""
    lines = [
        "| group | tried | survived | 95 % bound | broken builds caught | seconds |",
        "|---|--:|--:|--:|---|--:|",
    ]
    for score in scores:
        caught = f"{sum(score.caught.values())} of {len(score.caught)}" if score.caught else "none"
        bound = f"{score.bound:.2%}" if score.tried else "not run"
        lines.append(
            f"| {score.group} | {score.tried:,} | {score.survived:,} | {bound} | {caught} | "
            f"{score.seconds:.0f} |"
        )
    return "\n".join(lines)
