"""One side of a comparison in a process of its own: reads a number of steps, says how long it took.

    python benchmarks/worker.py fast|plain CASE THREADS

The plain side imports nothing of grokscope, so that it runs as a script of the literature would.
"""

import contextlib
import json
import resource
import sys
import time

import cases
import torch

entered = contextlib.ExitStack()


def fast(case, threads):
    """Return one step of grokscope's engine, its loss looked at as in training."""
    from grokscope.config import decode
    from grokscope.engine.member import Member
    from grokscope.engine.memory import keep_freed_memory
    from grokscope.engine.steppers import Alone
    from grokscope.ops.lanes import lanes

    keep_freed_memory()
    entered.enter_context(lanes(threads))
    member = Member(0, decode(case.config()))
    stepper = Alone(member)

    def step():
        value = float(stepper.compute())
        stepper.apply()
        member.step += 1
        return value

    return step


def plain(case, threads):
    """Return one step of the plain loop."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    return case.reference()


def main():
    side, name, threads = sys.argv[1:]
    case = cases.CASES[name]
    step = {"fast": fast, "plain": plain}[side](case, int(threads))
    if not step() > 0:
        raise SystemExit("the first loss must be a positive number")
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step()
        spent = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": spent, "peak_mb": peak}), flush=True)


if __name__ == "__main__":
    main()
