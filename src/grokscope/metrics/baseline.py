"""The plateau a lookup table reaches (Q12)."""

from grokscope.metrics.base import metric
from grokscope.snapshot import Snapshot


@metric(label="Lookup baseline", group="Training Curves", source="measures: commutative lookup")
def lookup_baseline(snapshot: Snapshot) -> float:
    """Test accuracy of a table of the training pairs plus commutativity; constant in time."""
    return snapshot.problem.baseline
