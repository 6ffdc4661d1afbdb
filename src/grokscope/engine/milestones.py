"""What a run has reached so far: memorized, in transition, grokked."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["grokked", "memorized", "diverged", "unfinished"]

LEVEL = 0.99
IN_A_ROW = 3
MARGIN = 0.05


@dataclass(frozen=True, kw_only=True)
class Milestones:
    """A running summary of train and test accuracy; part of a run's state.

    memorized_at: first evaluation with train accuracy >= .99. grokked_at: first of three
    evaluations in a row with test accuracy >= .99 (sustained crossing). streak and streak_at: the
    present row of such evaluations and where it began. test_acc: the last evaluation's.
    """

    memorized_at: int | None = None
    grokked_at: int | None = None
    streak: int = 0
    streak_at: int = 0
    test_acc: float = 0.0

    def update(self, step: int, train_acc: float, test_acc: float) -> "Milestones":
        """Return the milestones after one more evaluation."""
        memorized = self.memorized_at
        if memorized is None and train_acc >= LEVEL:
            memorized = step
        streak = self.streak + 1 if test_acc >= LEVEL else 0
        begun = self.streak_at if streak > 1 else step
        grokked = self.grokked_at
        if grokked is None and streak >= IN_A_ROW:
            grokked = begun
        return replace(
            self,
            memorized_at=memorized,
            grokked_at=grokked,
            streak=streak,
            streak_at=begun,
            test_acc=test_acc,
        )

    def in_transition(self, plateau: float) -> bool:
        """Return whether test accuracy has left the plateau and has not yet grokked."""
        return self.grokked_at is None and self.test_acc > plateau + MARGIN

    @property
    def outcome(self) -> Outcome:
        """What a run that ends here has done; whether it diverged is for the engine to say."""
        if self.grokked_at is not None:
            return "grokked"
        return "unfinished" if self.memorized_at is None else "memorized"
