"""What a whole run costs beside its steps: measuring, and keeping what was measured and saved.

    python benchmarks/looking.py                             # nanda-113 to step 10,000
    python benchmarks/looking.py demo stop=grokked steps=8000

The run is the ordinary one, with its default schedules; the two kinds of looking are timed from
outside. Writes one JSON file beside those of bench.py.
"""

import json
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import grokscope
from grokscope.engine.member import Member
from grokscope.store.writer import Writer

RESULTS = Path(__file__).parent / "results"
KINDS = {"measuring": (Member, ("measure",)), "keeping": (Writer, ("saved", "flush", "finish"))}


def timed(owner, name, kind, spent):
    """Add the seconds of the outermost calls of a method to `spent[kind]`."""
    original = getattr(owner, name)

    def call(self, *arguments, **options):
        before, start = spent[kind], time.perf_counter()
        try:
            return original(self, *arguments, **options)
        finally:  # what calls within have added is part of this one
            spent[kind] = before + time.perf_counter() - start

    setattr(owner, name, call)


def main():
    recipe, *overrides = sys.argv[1:] or ["nanda-113", "steps=10000", "stop=never"]
    spent = Counter()
    for kind, (owner, names) in KINDS.items():
        for name in names:
            timed(owner, name, kind, spent)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run = grokscope.train(recipe, overrides, out=folder)
        whole = time.perf_counter() - start
        status = run.status
    result = {
        "recipe": recipe,
        "overrides": overrides,
        "steps": status["step"],
        "memorized_at": status["memorized_at"],
        "grokked_at": status["grokked_at"],
        "seconds": whole,
        "milliseconds_a_step": 1e3 * status["seconds"] / status["step"],
        **{f"{kind}_share": spent[kind] / whole for kind in KINDS},
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    text = json.dumps(result, indent=2)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"looking-{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
