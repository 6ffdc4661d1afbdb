"""Side by side: grokscope against plain eager PyTorch, in alternating blocks of steps.

    python benchmarks/bench.py                 # everything
    python benchmarks/bench.py a d --blocks 20 # two of the cases

Each side is a process of its own that waits while the other works: A B A B. The result of a case
is the median of the pairwise ratios with its quartiles, so a machine whose speed drifts does not
decide it. Beside it stands the floor: what the matrix products of a step and its traffic of memory
take at the rates measured on the same machine.
"""

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from cases import CASES, Case

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BLOCK = 0.5
SCALING = ("f29", "f59", "f113", "f199", "f307")


class Worker:
    """A side of a comparison that steps when it is told to."""

    def __init__(self, side: str, case: str, threads: int) -> None:
        command = [sys.executable, str(HERE / "worker.py"), side, case, str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.peak_mb = 0.0

    def start(self, steps: int) -> None:
        """Let it take some steps."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()

    def wait(self) -> float:
        """Return the seconds the steps took."""
        assert self.process.stdout is not None
        line = json.loads(self.process.stdout.readline())
        self.peak_mb = line["peak_mb"]
        return float(line["seconds"])

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def block(workers: list[Worker], steps: int) -> float:
    """Let all workers take some steps at once; return the seconds of one step of one run."""
    start = time.perf_counter()
    for worker in workers:
        worker.start(steps)
    for worker in workers:
        worker.wait()
    return (time.perf_counter() - start) / (steps * len(workers))


def compare(fast: list[Worker], plain: list[Worker], blocks: int) -> dict[str, Any]:
    """Alternate blocks of about half a second and return times and ratios."""
    counts = []
    for side in (fast, plain):
        block(side, 3)
        counts.append(max(2, round(BLOCK / block(side, 3) / len(side))))
    pairs = [(block(fast, counts[0]), block(plain, counts[1])) for _ in range(blocks)]
    ratios = sorted(slow / quick for quick, slow in pairs)
    quartiles = statistics.quantiles(ratios, n=4)
    return {
        "blocks": blocks,
        "fast_ms": 1e3 * statistics.median(quick for quick, _ in pairs),
        "plain_ms": 1e3 * statistics.median(slow for _, slow in pairs),
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [quartiles[0], quartiles[2]],
        "peak_mb": max(worker.peak_mb for worker in fast),
        "plain_peak_mb": max(worker.peak_mb for worker in plain),
    }


def seconds(function: Callable[[], Any], count: int) -> float:
    """Return the seconds a call takes."""
    start = time.perf_counter()
    for _ in range(count):
        function()
    return (time.perf_counter() - start) / count


def machine(threads: int) -> dict[str, Any]:
    """Return the rates of the machine: matrix products in GFLOP/s and copies in GB/s."""
    from grokscope.ops.products import linear

    torch.set_num_threads(threads)
    n, k, m = 3830, 512, 113
    x, weight = torch.randn(n, k), torch.randn(m, k)
    ways = {"blas": torch.nn.functional.linear, "engine": linear}
    best = {
        name: min(seconds(lambda f=f: f(x, weight), 5) for _ in range(20))
        for name, f in ways.items()
    }
    rates = {name: 2 * n * k * m / spent / 1e9 for name, spent in best.items()}
    big = torch.randn(1 << 24)
    copy = torch.empty_like(big)
    traffic = min(seconds(lambda: copy.copy_(big), 3) for _ in range(10))
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "processor": platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": threads,
        "torch": torch.__version__,
        "commit": commit.stdout.strip(),
        "gemm_gflops": max(rates.values()),
        "blas_gflops": rates["blas"],
        "copy_gbs": 2 * 4 * big.numel() / traffic / 1e9,
    }


def floor(case: Case, rates: dict[str, Any]) -> dict[str, float]:
    """Return operations and bytes of one step, and the milliseconds they must take.

    Bytes: what autograd keeps for the backward pass is written once and read once, and so is its
    gradient; what it keeps of integers is read twice; AdamW reads gradient, parameters and two
    moments and writes three of them.
    """
    from grokscope.config import decode
    from grokscope.engine.member import Member
    from grokscope.ops.products import FlopCounter

    member = Member(0, decode(case.config()))
    with FlopCounter() as counter:
        member.problem.gradient(member.problem.train)
    kept: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        passes = 4 if x.is_floating_point() else 2
        kept[x.data_ptr()] = passes * x.numel() * x.element_size()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        member.problem.terms(member.problem.train)
    traffic = sum(kept.values()) + 7 * member.params.numel() * member.params.element_size()
    gflop = counter.total / 1e9
    return {
        "gflop": gflop,
        "megabytes": traffic / 1e6,
        "gemm_floor_ms": 1e3 * gflop / rates["gemm_gflops"],
        "memory_floor_ms": traffic / 1e6 / rates["copy_gbs"],
    }


def measure(name: str, case: Case, options: argparse.Namespace, rates: dict[str, Any]) -> Any:
    """Return the row of one case; `e` is `a` as a sweep, one process and one thread a run."""
    sweep, key = name == "e", "a" if name == "e" else name
    count = options.threads if sweep else 1
    fast = [Worker("fast", key, options.threads // count) for _ in range(count)]
    plain = [Worker("plain", key, options.threads)]
    try:
        row = compare(fast, plain, options.blocks)
    finally:
        for worker in (*fast, *plain):
            worker.close()
    row |= floor(case, rates)
    row["floor_ms"] = row["gemm_floor_ms"] + row["memory_floor_ms"]
    low, high = row["ratio_quartiles"]
    label = f"{case.label}, sweep" if sweep else case.label
    print(
        f"{name:>5} {label:<44} {row['plain_ms']:8.2f} ms {row['fast_ms']:8.2f} ms  "
        f"x{row['ratio']:.2f} [{low:.2f}, {high:.2f}]  floor {row['gemm_floor_ms']:.1f} + "
        f"{row['memory_floor_ms']:.1f} ms  {row['peak_mb']:.0f} MB",
        flush=True,
    )
    return {"label": label, "p": case.p, **row}


def exponent(rows: dict[str, Any], key: str) -> float:
    """Return the slope of ln(milliseconds a step) against ln p, by least squares."""
    points = [(math.log(row["p"]), math.log(row[key])) for row in rows.values()]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def main() -> None:
    """Run the cases named on the command line and write one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=[], metavar="CASE")
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rates = machine(options.threads)
    results: dict[str, Any] = {"machine": rates, "cases": {}}
    for name in options.cases or ["a", "b", "c", "d", "e", *SCALING]:
        case = CASES["a" if name == "e" else name]
        results["cases"][name] = measure(name, case, options, rates)
    scaling = {name: row for name, row in results["cases"].items() if name in SCALING}
    if len(scaling) > 2:
        results["exponent"] = {side: exponent(scaling, f"{side}_ms") for side in ("fast", "plain")}
        print(f"milliseconds a step grow as p^{results['exponent']['fast']:.2f}", end=" ")
        print(f"(plain: p^{results['exponent']['plain']:.2f})")
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(target)


if __name__ == "__main__":
    main()
