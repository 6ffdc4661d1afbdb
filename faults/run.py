"""The fault harness: every promise of a run, broken on purpose.

    python faults/run.py                     # the long run, all groups
    python faults/run.py kill storage --quick # two groups, few trials
    python faults/run.py --seed 7 --json faults.json

Each group lies in a module of its own, `faults/groups/<name>.py`, whose GROUP is a `board.Group`.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from board import Group, Score, table

HERE = Path(__file__).parent


def groups() -> dict[str, Group]:
    """Return every group there is, by name."""
    sys.path.insert(0, str(HERE))
    names = sorted(path.stem for path in (HERE / "groups").glob("[a-z]*.py"))
    return {name: importlib.import_module(f"groups.{name}").GROUP for name in names}


def run(group: Group, count: int, seed: int) -> Score:
    """Run one group in a folder of its own."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=f"fault-{group.name}-") as folder:
        score = group.run(count, seed, Path(folder))
    score.seconds = time.perf_counter() - start
    return score


def commit() -> str:
    """Return the commit that is tested, marked where files differ from it."""
    words = ["git", "-C", str(HERE), "describe", "--always", "--dirty"]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    """Run the groups named on the command line and print the scoreboard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP")
    parser.add_argument("--quick", action="store_true", help="few trials, under three minutes")
    parser.add_argument("--count", type=int, help="trials of each group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the scores there")
    options = parser.parse_args()
    known = groups()
    scores = []
    for name in options.groups or known:
        group = known[name]
        count = options.count or (group.quick if options.quick else group.long)
        score = run(group, count, options.seed)
        scores.append(score)
        for line in [*score.failures[:20], *score.notes]:
            print(f"{name}: {line}", flush=True)
    print(table(scores))
    if options.json:
        written = [{**asdict(score), "commit": commit()} for score in scores]
        options.json.write_text(json.dumps(written, indent=2) + "\n")
    raise SystemExit(not all(score.sound for score in scores))


if __name__ == "__main__":
    main()
