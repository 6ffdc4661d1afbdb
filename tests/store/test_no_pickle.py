import subprocess
import sys

PROGRAM = """
import sys

import grokscope.launch, grokscope.reports, grokscope.analyses.grokking_time

# numba keeps its machine code as pickles beside the source, as Python keeps .pyc files; they are
# loaded here, before anybody listens.
import grokscope
out = sys.argv[1]
config = ["steps=20", "task.p=5", "model.width=6", "data.train_fraction=0.5"]
grokscope.train("quick", config, out=out, name="before")

opened = []
sys.addaudithook(lambda name, args: opened.append(args) if name == "pickle.find_class" else None)

import pickle
pickle.loads(pickle.dumps(ValueError))
assert len(opened) == 1, "the hook sees nothing"
opened.clear()

stop = iter([False] * 12 + [True])
run = grokscope.train("quick", config, out=out, name="run", stop_requested=lambda: next(stop))
run = grokscope.resume(run)
run = grokscope.resume(run, ["steps=+5"])
run.snapshot().gradient
run.history, run.verify(), run.results(), run.summary()
run.analyze("grokking_time")
run.analyze("grokking_time")
grokscope.open_all(out).table()
grokscope.reports.write_report(run)
print(opened)
"""


def test_no_pickle_is_opened_on_any_path(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
