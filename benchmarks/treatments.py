"""What a treatment of the numbers does to grokking: five seeds each, on one recipe.

    python benchmarks/treatments.py                    # all treatments of `demo`
    python benchmarks/treatments.py bf16 --recipe demo --seeds 5

`plain` computes every position of every example, in one piece and by PyTorch's own operations: the
slow twin of everything the engine does to be fast. Runs that do not grok within the recipe's steps
are kept, as censored.
"""

import argparse
import json
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
TREATMENTS = {
    "float32": [],
    "plain": [],
    "tf32": ["precision.matmul=tf32"],
    "bf16": ["precision.matmul=bf16"],
}


def without_fast_paths():
    """Let this process share nothing, cut nothing into parts and compile nothing."""
    import torch.nn.functional as F

    import grokscope.objectives.cross_entropy as objective
    from grokscope import problem
    from grokscope.ops.moments import adam_direction_plainly
    from grokscope.optim import adam

    def whole(cls, network, inputs, targets):
        return cls(inputs, network.prepare(inputs, share=False), targets)

    problem.Examples.of = classmethod(whole)
    adam.adam_direction = adam_direction_plainly
    objective.cross_entropy = lambda logits, targets, dtype: F.cross_entropy(
        logits.to(dtype), targets, reduction="none"
    )


def milestones(treatment, recipe, seed):
    """Train one run; return its milestones and seconds."""
    import torch

    from grokscope.config import load
    from grokscope.engine import Finished, Measured, train

    torch.set_num_threads(1)
    if treatment == "plain":
        without_fast_paths()
    config = load(recipe, [*TREATMENTS[treatment], f"seed={seed}", "threads=1"])
    first = None
    for record in train([config]):
        if isinstance(record, Measured) and first is None and record.values["test_acc"] >= 0.99:
            first = record.step
        elif isinstance(record, Finished):
            end = record
    found = end.milestones
    return {
        "treatment": treatment,
        "seed": seed,
        "memorized_at": found.memorized_at,
        "first_at": first,
        "grokked_at": found.grokked_at,
        "steps": end.step,
        "seconds": end.seconds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("treatments", nargs="*", default=[], choices=[[], *TREATMENTS])
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    rows = []
    jobs = [(t, s) for s in range(options.seeds) for t in options.treatments or TREATMENTS]
    # One process for each run, so that a treatment cannot leak into another.
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), max_tasks_per_child=1) as pool:
        futures = [pool.submit(milestones, t, options.recipe, s) for t, s in jobs]
        for future in futures:
            rows.append(future.result())
            print(rows[-1], flush=True)
    for treatment in options.treatments or TREATMENTS:
        ends = [row for row in rows if row["treatment"] == treatment]
        at = sorted(row["grokked_at"] or float("inf") for row in ends)
        print(f"{treatment:>8}: grokked {at}, median {statistics.median(at)}")
    target = RESULTS / f"treatments-{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    target.write_text(json.dumps({"recipe": options.recipe, "runs": rows}, indent=2) + "\n")
    print(target)


if __name__ == "__main__":
    main()
