"""Side by side: grokscope against plain eager PyTorch, in one process, in alternating blocks.

    python benchmarks/bench.py                 # everything
    python benchmarks/bench.py a d --blocks 20 # two of the cases

Each case alternates blocks of steps A B A B ... and reports the median of the pairwise ratios with
its quartiles, so that a machine whose speed drifts does not decide the result. The floor of a case
is what its own matrix products and memory traffic must take at the rates measured beside it.
"""

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import reference
import torch
from torch.utils.flop_counter import FlopCounterMode

from grokscope.config import decode
from grokscope.engine.member import Member
from grokscope.engine.memory import keep_freed_memory
from grokscope.engine.steppers import Alone

RESULTS = Path(__file__).parent / "results"
ADAMW = {"kind": "adamw", "lr": 1e-3, "weight_decay": 1.0, "betas": [0.9, 0.98]}
NANDA = {"kind": "transformer", "init": {"scheme": "width_normal"}}


def config(p: int, fraction: float, model: dict[str, Any]) -> Any:
    """Return the configuration of one case."""
    return decode(
        {
            "name": "bench",
            "task": {"kind": "modular", "p": p},
            "data": {"train_fraction": fraction},
            "model": model,
            "optimizer": ADAMW,
        }
    )


def cases() -> dict[str, tuple[str, Any, Callable[[], torch.nn.Module]]]:
    """Return name, configuration and the plain twin of each single-run case."""
    attention = {**NANDA, "d_model": 32, "d_mlp": 0, "causal": False}
    decoder = {"kind": "transformer", "num_layers": 2, "norm": "pre", "activation": "gelu"}
    decoder |= {"attention_biases": True}
    found = {
        "a": (
            "nanda-113",
            config(113, 0.3, NANDA),
            lambda: reference.HookedTransformer(113, 128, 4, 512, causal=True),
        ),
        "b": (
            "2-layer pre-norm transformer, p = 97, 40 %",
            config(97, 0.4, decoder),
            lambda: reference.Decoder(97, 128, 4, 512, 2),
        ),
        "c": (
            "mlp-113",
            config(113, 0.4, {"kind": "mlp", "width": 512}),
            lambda: reference.Perceptron(113, 512),
        ),
        "d": (
            "attention-only-113",
            config(113, 0.3, attention),
            lambda: reference.HookedTransformer(113, 32, 4, 0, causal=False),
        ),
    }
    for p in (29, 59, 199, 307):
        found[f"f{p}"] = (
            f"nanda at p = {p}",
            config(p, 0.3, NANDA),
            lambda p=p: reference.HookedTransformer(p, 128, 4, 512, causal=True),
        )
    return found


def fast_step(configuration: Any) -> Callable[[], float]:
    """Return one step of grokscope's engine, loss checked as in training."""
    member = Member(0, configuration)
    stepper = Alone(member)

    def step() -> float:
        value = float(stepper.compute())
        stepper.apply()
        member.step += 1
        return value

    return step


def plain_step(configuration: Any, network: torch.nn.Module) -> Callable[[], float]:
    """Return one step of the plain loop on the same examples."""
    dataset = configuration.task.dataset()
    split = configuration.data.split(dataset, 0)
    return reference.stepper(
        network,
        dataset.inputs[split.train],
        dataset.targets[split.train],
        lr=1e-3,
        weight_decay=1.0,
        loss_dtype=configuration.precision.loss_dtype,
    )


def seconds(step: Callable[[], float], count: int) -> float:
    """Return the seconds a step takes, over `count` steps."""
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def compare(fast: Callable[[], float], plain: Callable[[], float], blocks: int) -> dict[str, Any]:
    """Alternate blocks of about a third of a second and return times and ratios."""
    for step in (fast, plain):
        seconds(step, 3)
    counts = [max(1, round(0.3 / seconds(step, 3))) for step in (fast, plain)]
    pairs = [(seconds(fast, counts[0]), seconds(plain, counts[1])) for _ in range(blocks)]
    ratios = sorted(slow / quick for quick, slow in pairs)
    quartiles = statistics.quantiles(ratios, n=4)
    return {
        "blocks": blocks,
        "fast_ms": 1e3 * statistics.median(quick for quick, _ in pairs),
        "plain_ms": 1e3 * statistics.median(slow for _, slow in pairs),
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [quartiles[0], quartiles[2]],
    }


def machine() -> dict[str, Any]:
    """Return the machine's own rates: matrix products in GFLOP/s and copies in GB/s."""
    n, d, m = 3830, 128, 512
    a, b = torch.randn(n, d), torch.randn(d, m)
    gemm = min(seconds(lambda: float((a @ b)[0, 0]), 5) for _ in range(20))
    big = torch.randn(1 << 22)
    copy = torch.empty_like(big)
    traffic = min(seconds(lambda: float(copy.copy_(big)[0]), 5) for _ in range(20))
    return {
        "processor": platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "gemm_gflops": 2 * n * d * m / gemm / 1e9,
        "copy_gbs": 2 * 4 * big.numel() / traffic / 1e9,
    }


def gflop(configuration: Any) -> float:
    """Return the GFLOP of matrix products that one step of the shared network performs."""
    member = Member(0, configuration)
    with FlopCounterMode(display=False) as counter:
        member.problem.gradient(member.problem.train)
    return counter.get_total_flops() / 1e9


def main() -> None:
    """Run the cases named on the command line and write one JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=[], metavar="CASE")
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    keep_freed_memory()  # as `train` does; the plain side gains from it too
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    known = cases()
    rates = machine()
    results: dict[str, Any] = {"machine": rates, "cases": {}}
    for key in options.cases or known:
        label, configuration, twin = known[key]
        row = compare(fast_step(configuration), plain_step(configuration, twin()), options.blocks)
        row["gflop"] = gflop(configuration)
        row["gemm_floor_ms"] = 1e3 * row["gflop"] / rates["gemm_gflops"]
        row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        results["cases"][key] = {"label": label, **row}
        low, high = row["ratio_quartiles"]
        print(
            f"{key:>5} {label:<44} {row['plain_ms']:8.2f} ms  {row['fast_ms']:8.2f} ms  "
            f"x{row['ratio']:.2f} [{low:.2f}, {high:.2f}]  floor {row['gemm_floor_ms']:.1f} ms"
        )
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    target.write_text(json.dumps(results, indent=2) + "\n")
    print(target)


if __name__ == "__main__":
    main()
