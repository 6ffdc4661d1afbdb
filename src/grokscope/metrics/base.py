"""What a metric is: a decorated function of a snapshot."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from grokscope._registry import Registry
from grokscope.errors import ConfigError
from grokscope.ops.memory import check_memory
from grokscope.snapshot import Snapshot

Value: TypeAlias = float | Tensor
Measured: TypeAlias = Value | Mapping[str, Value]
Scale: TypeAlias = Literal["linear", "log"]
Cost: TypeAlias = Literal["free", "forward", "backward", "heavy"]


@dataclass(frozen=True)
class Metric:
    """A function of a snapshot with what is needed to show it.

    cost: `free` reads what training computes anyway, `forward` and `backward` need a pass of
    their own over the training set, `heavy` needs many. needs: an estimate of the bytes it takes;
    where there are fewer, the metric is refused beforehand. also: columns, or families of columns
    `<word>.…`, that it gives besides `<name>` and `<name>.…`.
    """

    name: str
    function: Callable[[Snapshot], Measured]
    label: str
    group: str
    scale: Scale
    cost: Cost
    source: str
    needs: Callable[[Snapshot], int] | None = None
    also: tuple[str, ...] = ()

    @property
    def doc(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def columns(self, measured: Iterable[str]) -> list[str]:
        """Return which of the columns of a history are this metric's, its own name first.

        >>> METRICS["effective_depth"].columns(["open_gates", "step", "effective_depth"])
        ['effective_depth', 'open_gates']
        """
        words = (self.name, *self.also)
        found = [name for name in measured if name.partition(".")[0] in words]
        return sorted(found, key=lambda name: (name != self.name, words.index(name.split(".")[0])))


METRICS: Registry[Metric] = Registry("metric", "grokscope.metrics")


def metric(
    *,
    label: str,
    group: str,
    scale: Scale = "linear",
    cost: Cost = "free",
    source: str = "",
    needs: Callable[[Snapshot], int] | None = None,
    also: tuple[str, ...] = (),
) -> Callable[[Callable[[Snapshot], Measured]], Callable[[Snapshot], Measured]]:
    """Register a function of a snapshot under its own name.

    It returns one number, or several by column name; 0-d tensors are welcome.
    """

    def decorate(function: Callable[[Snapshot], Measured]) -> Callable[[Snapshot], Measured]:
        name = function.__name__
        part = Metric(name, function, label, group, scale, cost, source, needs, also)
        METRICS.add(name, part)
        return function

    return decorate


def measure(
    snapshot: Snapshot, metrics: Iterable[Metric], *, missing: dict[str, str] | None = None
) -> dict[str, float]:
    """Return the values of the metrics by column name.

    missing: where given, a metric other than `curves` that fails is left out and its reason is put
    there; loss and accuracy decide when a run ends, so an error in them is always raised.
    Raises ConfigError where two metrics claim one column.
    """
    values: dict[str, float] = {}
    for part in metrics:
        try:
            if part.needs is not None:
                check_memory(part.needs(snapshot), part.name)
            measured = part.function(snapshot)
            columns = measured if isinstance(measured, Mapping) else {part.name: measured}
            found = {column: float(value) for column, value in columns.items()}
        except (RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
            if missing is None or part.name == "curves":
                raise
            missing[part.name] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            continue
        clash = sorted(set(found) & set(values))
        if clash:
            raise ConfigError(f"metric {part.name!r}: the column {clash[0]!r} exists already")
        values |= found
    return values
