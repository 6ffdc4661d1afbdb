"""Several modular operations in one network, told apart by the operation token."""

from dataclasses import dataclass
from typing import Annotated, Literal

import torch

from grokscope.errors import ConfigError
from grokscope.tasks.base import TASKS, Dataset, Task
from grokscope.tasks.modular import Operation, divisible, operate
from grokscope.tasks.tables import pairs_of, table_dataset
from grokscope.typing import Ge, Le


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Mixed(Task):
    """a ∘ b mod p for several operations ∘ at once; always `[a, op, b, =]`."""

    kind: Literal["mixed"] = "mixed"
    operations: tuple[Operation, ...] = ("add", "multiply")
    """The operations, at least two; operation i is the token p+i."""
    p: Annotated[int, Ge(2), Le(4096)] = 97
    """The modulus; it need not be prime."""

    def __post_init__(self) -> None:
        if len(self.operations) < 2 or len(set(self.operations)) < len(self.operations):
            raise ConfigError(
                f"operations: at least two different ones, got {', '.join(self.operations)}"
            )

    def dataset(self) -> Dataset:
        """Return all pairs of the first operation, then of the second, and so on."""
        parts = []
        for number, operation in enumerate(self.operations):
            a, b = pairs_of(self.p, "ordered")
            if operation == "divide":
                keep = divisible(b, self.p)
                a, b = a[keep], b[keep]
            targets = operate(operation, a, b, self.p)
            parts.append(torch.stack([a, b, torch.full_like(a, number), targets]))
        a, b, op, targets = torch.cat(parts, dim=1)
        return table_dataset(
            a,
            b,
            targets,
            size=self.p,
            layout="a op b =",
            operation=op,
            num_operations=len(self.operations),
        )
