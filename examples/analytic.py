"""Simulate norm minimization at p = 17 and check what it must show: a few seconds.

python examples/analytic.py [folder for the runs, by default runs/analytic] [number of seeds]
"""

import sys

import polars as pl

import grokscope

out = sys.argv[1] if len(sys.argv) > 1 else "runs/analytic"
seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 2
failures = 0
for seed in range(seeds):
    run = grokscope.train("norm-minimization-17", [f"seed={seed}", "steps=7000"], out=out)
    history = run.history
    early = history.filter(pl.col("step") == 500)["test_acc"].item()
    arrived = history.filter(pl.col("test_acc") >= 0.95)["step"].min()
    late = history.filter(pl.col("step") >= 100)["weight_norm"]
    checks = {
        f"test accuracy {early:.3f} at step 500, at most .10": early <= 0.10,
        f"test accuracy .95 at step {arrived}, by 7,000": arrived is not None,
        f"residual {(worst := history['interpolation_residual'].max()):.0e}, at most 1e-8": worst
        <= 1e-8,
        f"norm {late[0]:.1f} to {late[-1]:.1f}, falling": (late.diff().drop_nulls() < 0).all(),
        "every training pair is right at every step": history["train_acc"].min() == 1,
    }
    for told, holds in checks.items():
        print(f"seed {seed}: {'holds' if holds else 'FAILS'}: {told}")
        failures += not holds
sys.exit(1 if failures else 0)
