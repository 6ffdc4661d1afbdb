"""Polynomials in two variables modulo p."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.tasks.base import TASKS, Dataset, Task
from grokscope.tasks.tables import Layout, Pairs, pairs_of, table_dataset
from grokscope.typing import Ge, Le

Expression: TypeAlias = Literal["a^2+b^2", "a^2+ab+b^2", "a^3+ab", "a^3+ab^2+b"]

EXPRESSIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "a^2+b^2": lambda a, b: a * a + b * b,
    "a^2+ab+b^2": lambda a, b: a * a + a * b + b * b,
    "a^3+ab": lambda a, b: a * a * a + a * b,
    "a^3+ab^2+b": lambda a, b: a * a * a + a * b * b + b,
}


@TASKS.register
@dataclass(frozen=True, kw_only=True)
class Polynomial(Task):
    """A polynomial of a and b modulo p, over all pairs (Power et al. 2022)."""

    kind: Literal["polynomial"] = "polynomial"
    expression: Expression = "a^2+b^2"
    """The polynomial."""
    p: Annotated[int, Ge(2), Le(4096)] = 97
    """The modulus; it need not be prime."""
    pairs: Pairs = "ordered"
    """All p² ordered pairs, or the p(p+1)/2 with a <= b (symmetric polynomials only)."""
    layout: Layout = "a b ="
    """Tokens of an example: `a b =` (vocabulary p+1) or `a op b =` (vocabulary p+2)."""

    def __post_init__(self) -> None:
        if self.pairs == "unordered" and not self.expression.endswith("b^2"):
            raise ConfigError(
                f"pairs: unordered needs a symmetric polynomial, not {self.expression}"
            )

    def dataset(self) -> Dataset:
        """Return all pairs in lexicographic order with their results."""
        a, b = pairs_of(self.p, self.pairs)
        targets = EXPRESSIONS[self.expression](a, b) % self.p
        return table_dataset(a, b, targets, size=self.p, layout=self.layout)
