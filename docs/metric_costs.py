"""What every metric costs on the classic network: `docs/generated/metric-costs.md`.

Run as `python docs/metric_costs.py [STEPS]`; a minute or two. Each metric is asked alone of a new
snapshot that knows what training knows (the logits, penalty and gradient of the step), so what
several metrics share is counted in each. What counts is processor time on one thread, which other
work on the machine changes little.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from grokscope.config import load
from grokscope.engine.member import Member
from grokscope.engine.memory import keep_freed_memory
from grokscope.errors import ScienceError, TooLargeError
from grokscope.metrics import METRICS, Metric
from grokscope.ops.lanes import lanes
from grokscope.snapshot import Snapshot

TARGET = Path(__file__).parent / "generated" / "metric-costs.md"
RECIPE = "nanda-113"
REPEATS = 5


def main() -> None:
    """Train a few steps, time each metric, write the table."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    keep_freed_memory()
    config = load(RECIPE, environment={})
    torch.set_num_threads(1)
    with lanes(1):
        member = Member(0, config)
        for _ in range(steps):
            advance(member)
        step = timed(lambda: advance(member), repeats=4 * REPEATS)
        rows = [row(part, member, step) for part in METRICS.values()]
    rows.sort(key=lambda pair: -pair[0])
    head = ["| metric | milliseconds | share of a step | said to cost |", "|---|---:|---:|---|"]
    every = config.measure.every
    words = (
        f"`{RECIPE}` after {steps} steps, one step of which takes {1000 * step:.1f} ms; processor "
        f"time on one thread, medians of {REPEATS}. Every metric is asked alone. Measured every "
        f"{every} steps, a metric that costs {every / 100:g} steps adds 1 % to a run."
    )
    lines = [*head, *(text for _, text in rows), "", words, ""]
    TARGET.write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {TARGET.name}")


def advance(member: Member) -> None:
    """Take one step of training."""
    _, gradient = member.problem.gradient(member.problem.train)
    member.apply(gradient)
    member.step += 1


def row(part: Metric, member: Member, step: float) -> tuple[float, str]:
    """Return the seconds of a metric and its line of the table."""
    problem = member.problem
    terms, gradient = problem.gradient(problem.train)
    given = {
        "train_logits": terms.logits.detach(),
        "penalty": terms.penalty.detach(),
        "gradient": gradient,
    }

    def ask() -> None:
        part.function(
            Snapshot(
                problem,
                member.params,
                step=member.step,
                optimizer=member.optimizer,
                rule=member.config.optimizer,
                schedule=member.config.schedule,
                given=given,
            )
        )

    try:
        ask()
    except (ScienceError, TooLargeError) as error:
        return -1.0, f"| `{part.name}` | – | – | {str(error).split(':')[0]} |"
    seconds = timed(ask, repeats=REPEATS)
    cells = f"{1000 * seconds:,.2f} | {seconds / step:,.2f}"
    return seconds, f"| `{part.name}` | {cells} | {part.cost} |"


def timed(function: Callable[[], None], *, repeats: int) -> float:
    """Return the median processor seconds of several calls."""
    found = []
    for _ in range(repeats):
        begun = time.process_time()
        function()
        found.append(time.process_time() - begun)
    return statistics.median(found)


if __name__ == "__main__":
    main()
