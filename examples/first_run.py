"""Train the smallest recipe, ask when it grokked, and open its history: about three seconds.

python examples/first_run.py [folder for the run, by default runs]
"""

import sys

import grokscope

out = sys.argv[1] if len(sys.argv) > 1 else "runs"
run = grokscope.train("quick", out=out)

time = run.analyze("grokking_time").scalars
print(f"{run.path}: {run.outcome}")
print(f"memorized at step {time['memorized_at']}, grokked at step {time['sustained_0.99_step']},")
print(f"so {time['sustained_0.99_delay']} steps of delay")
print(f"a lookup table with commutativity would score {time['lookup_baseline']:.3f}")

history = run.history  # a polars frame; .to_pandas() is the door to pandas
print(history.select("step", "train_acc", "test_acc", "weight_norm").gather_every(8))
