"""Teach a network a task that grokscope does not have, bitwise exclusive or: about three seconds.

python examples/own_task.py [folder for the run, by default runs]
"""

import sys
from dataclasses import dataclass
from typing import Annotated, Literal

import grokscope
from grokscope.tasks import TASKS, Dataset, Task
from grokscope.tasks.tables import pairs_of, table_dataset
from grokscope.typing import Ge, Le


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Xor(Task):
    """a XOR b over all ordered pairs of n-bit numbers: the group (Z/2)ⁿ."""

    kind: Literal["xor"] = "xor"
    bits: Annotated[int, Ge(1), Le(8)] = 5
    """Bits n of a number."""

    def dataset(self) -> Dataset:
        """Return all pairs in lexicographic order with their exclusive or."""
        a, b = pairs_of(2**self.bits, "ordered")
        return table_dataset(a, b, a ^ b, size=2**self.bits, layout="a b =")


if __name__ == "__main__":
    out = sys.argv[1] if len(sys.argv) > 1 else "runs"
    run = grokscope.train(
        "quick", ["task.kind=xor", "data.train_fraction=0.25"], out=out, name="xor"
    )
    print(run.history.select("step", "train_acc", "test_acc").gather_every(8))
    print(
        f"{run.path}: {run.outcome}, memorized at step {run.status['memorized_at']}, "
        f"grokked at step {run.status['grokked_at']}"
    )
