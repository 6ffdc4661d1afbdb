"""How often verdicts err on runs whose truth is known: `docs/generated/verdict-rates.md`.

Run as `python docs/verdict_rates.py [DRAWS]`; 1,000 draws take three minutes on two cores. Each
draw is a made-up sweep, judged as `grokscope analyze sweep` judges a real one.
"""

import math
import multiprocessing
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from grokscope.analyses.outcomes import Member, Outcomes
from grokscope.analyses.verdicts import judge

TARGET = Path(__file__).parent / "generated" / "verdict-rates.md"
DRAWS = 1000
LAST = 10_000
"""The last step of every run, where one that grokked later is censored."""
CASES = ("equal", "true", "false", "three")
HEAD = """\
| hypothesis | runs a side | equal: decided | true: `holds` | true: `fails` \
| false: `fails` | false: `holds` | three a side: decided |
|---|--:|--:|--:|--:|--:|--:|--:|"""


@dataclass(frozen=True)
class Row:
    """A kind of hypothesis, `a < b` or `a < number`, and from what means its groups are drawn.

    Steps of grokking are exponential, the column `weight_norm` is normal with deviation 1. same:
    the mean of both groups where they are equal; low, high: those of the group of which the
    statistic is less, and more, where they are not.
    """

    statistic: str
    quantity: str
    same: float
    low: float
    high: float
    runs: int = 5
    alone: bool = False

    def text(self, number: float | None = None) -> str:
        """Return the hypothesis, against a number where there is one."""
        side = f"{self.statistic}({self.quantity} | group={{}})"
        return f"{side.format('a')} < {side.format('b') if number is None else number}"

    def truth(self, mean: float) -> float:
        """Return the statistic of the distribution."""
        if self.quantity == "weight_norm":
            return mean
        late = math.exp(-LAST / mean)
        known = {"median": mean * math.log(2), "rmst": mean * (1 - late), "success": 1 - late}
        return known[self.statistic]


def rows() -> list[Row]:
    """Return the kinds of hypotheses: two groups of five runs, of ten, and one group of six.

    Of fewer than six runs the interval of a median is open.
    """
    seventh, half = 5000.0, LAST / math.log(2)  # so many lie beyond the last step
    rate = {share: -LAST / math.log(1 - share) for share in (0.1, 0.9)}
    kinds = [
        Row("median", "grokked_at", seventh, 1000.0, 5000.0),
        Row("rmst", "grokked_at", seventh, 1000.0, 5000.0),
        Row("success", "grokked_at", half, rate[0.1], rate[0.9]),
        Row("mean", "weight_norm", 30.0, 30.0, 32.0),
        Row("median", "weight_norm", 30.0, 30.0, 32.0),
    ]
    ten = Row("median", "grokked_at", seventh, 1000.0, 5000.0, runs=10)
    return [*kinds, ten, *(replace(kind, runs=6, alone=True) for kind in kinds)]


def main() -> None:
    """Draw and judge, write the table and print it."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else DRAWS
    tasks = [(row, case, draws) for row in rows() for case in CASES if asked(row, case)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = dict(zip([task[:2] for task in tasks], pool.starmap(counts, tasks, 1), strict=True))
    lines = [line(row, found, draws) for row in rows()]
    seconds = sum(spent for _, spent in found.values())
    reach = 1.96 * math.sqrt(0.05 * 0.95 / draws)
    words = (
        f"Shares of {draws:,} draws each, so that 5 % is known to ±{reach:.1%}; {seconds:.0f} s of "
        "processor time. *Equal*: both groups are of one distribution, or the number is the true "
        "one, and every decision is wrong. *True*, *false*: the statistics differ in the order "
        "written, or in the other one. *Three a side*: true, but of too few runs. Steps of "
        f"grokking are exponential and censored at {LAST:,}: means of 5,000 where equal, a seventh "
        "of them censored, else 1,000 and 5,000; for success rates, 50 % where equal, else 10 % "
        "and 90 %. `weight_norm` is normal with deviation 1, else 2 apart."
    )
    text = "\n".join([HEAD, *lines, "", words, ""])
    TARGET.write_text(text, encoding="utf-8")
    print(text)


def asked(row: Row, case: str) -> bool:
    """Return whether a case is one of a row: three runs a side are asked of two groups, once."""
    return case != "three" or (not row.alone and row.runs == 5)


def counts(row: Row, case: str, draws: int) -> tuple[Counter[str], float]:
    """Return how often each verdict was given, and the seconds it took."""
    begun = time.process_time()
    rng = np.random.default_rng([rows().index(row), CASES.index(case)])
    ends = {"equal": (row.same, row.same), "false": (row.high, row.low)}
    one, other = ends.get(case, (row.low, row.high))
    runs = 3 if case == "three" else row.runs
    found: Counter[str] = Counter()
    for _ in range(draws):
        members = group("a", one, row, runs, rng)
        members += [] if row.alone else group("b", other, row, runs, rng)
        text = row.text(row.truth(other) if row.alone else None)
        found[judge(text, Outcomes.among(members)).verdict] += 1
    return found, time.process_time() - begun


def group(name: str, mean: float, row: Row, runs: int, rng: np.random.Generator) -> list[Member]:
    """Return finished runs of one group, of which nothing is read but what is given here."""
    timed = row.quantity == "grokked_at"
    values = rng.exponential(mean, runs) if timed else rng.normal(mean, 1.0, runs)
    members = []
    for seed, value in enumerate(values.tolist()):
        grokked = timed and value < LAST
        status = {
            "step": LAST,
            "outcome": "grokked" if grokked else "memorized",
            "grokked_at": value if grokked else None,
            "last": {"weight_norm": value},
        }
        run = SimpleNamespace(path=Path(name, str(seed)), name=f"{name}{seed}")
        members.append(Member(run, {"group": name, "seed": seed}, status))  # type: ignore[arg-type]
    return members


def line(row: Row, found: dict[tuple[Row, str], tuple[Counter[str], float]], draws: int) -> str:
    """Return a row of the table."""
    cells = []
    for case, verdicts in (
        ("equal", ("holds", "fails")),
        ("true", ("holds",)),
        ("true", ("fails",)),
        ("false", ("fails",)),
        ("false", ("holds",)),
        ("three", ("holds", "fails")),
    ):
        if (row, case) in found:
            cells.append(f"{sum(found[row, case][0][v] for v in verdicts) / draws:.1%}")
        else:
            cells.append("–")
    side = f"`{row.statistic}({row.quantity} \\| …)`"
    other = "number" if row.alone else side
    return f"| {side} < {other} | {row.runs} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
