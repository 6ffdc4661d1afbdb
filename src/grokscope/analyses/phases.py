"""The phases of a run: memorization, circuit formation, clean-up (A2)."""

from typing import Annotated, Any

import numpy as np

from grokscope.errors import ScienceError
from grokscope.ops import crossings
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.typing import Ge, Gt, Le, Lt

PHASES = ("memorization", "circuit formation", "clean-up", "generalized")


@analysis(label="Phases", source="Nanda et al. 2023, arXiv:2301.05217, section 5")
def phases(
    run: Run,
    *,
    memorized: Annotated[float, Gt(0), Le(1)] = 0.99,
    rise: Annotated[float, Gt(1)] = 2.0,
    left_plateau: Annotated[float, Gt(0), Lt(1)] = 0.1,
    generalized: Annotated[float, Gt(0), Le(1)] = 0.99,
    k: Annotated[int, Ge(1)] = 3,
) -> tuple[dict[str, Any], Arrays]:
    """Return when each phase of a run begins, and the phase of each checkpoint.

    Memorization lasts until the training accuracy is `memorized` and the excluded loss has passed
    its smallest value: from then on the waves of the answer carry more and more of the training
    loss, which is circuit formation, provided that it rises at least `rise`-fold. Clean-up begins
    at the first evaluation from which on the test accuracy is above the lookup baseline by
    `left_plateau` of what is missing to 1; the run has generalized at the first of `k` evaluations
    in a row with a test accuracy of `generalized`. A phase that did not come is None.

    A run without the Fourier symmetry is judged by accuracy and weight norm (`judged_by` says so,
    `because` why): circuit formation begins where the norm of all parameters, over checkpoints, is
    largest, provided that it falls afterwards. That a network becomes smaller is a weaker sign than
    that its waves work. Deviation: Nanda et al. drew the borders by eye.
    Arrays: `steps` of checkpoints and `phase`, their names; `restricted` and `excluded`, or `norm`,
    over checkpoints. Raises ScienceError for a run without measurements or checkpoints.
    """
    history = run.history
    if "test_acc" not in history.columns or not len(history) or not run.steps:
        raise ScienceError(f"{run.path}: phases: needs measurements and checkpoints, has too few")
    steps, test = history["step"].to_list(), history["test_acc"].to_list()
    memorized_at = crossings.first(steps, history["train_acc"].to_list(), memorized)
    plateau = float(history["lookup_baseline"][-1])
    level = plateau + left_plateau * (1 - plateau)
    scalars: dict[str, Any] = {"memorized_at": memorized_at}
    formed_at, judged, arrays = _formation(run, rise=rise)
    if formed_at is not None:
        formed_at = None if memorized_at is None else max(formed_at, memorized_at)
    found = {
        "circuit_formation_at": formed_at,
        "cleanup_at": crossings.strict(steps, test, level),
        "generalized_at": crossings.sustained(steps, test, generalized, k=k),
    }
    scalars |= ordered(found) | judged | {"plateau": plateau}
    starts = [0, *(scalars[name] for name in found)]
    arrays["steps"] = np.array(run.steps)
    arrays["phase"] = np.array([phase_of(step, starts) for step in run.steps])
    return scalars, arrays


def ordered(starts: dict[str, int | None]) -> dict[str, int | None]:
    """Return starts of which none comes after a later one: a phase skipped lasts no step."""
    result: dict[str, int | None] = {}
    earliest: int | None = None
    for name, start in reversed(starts.items()):
        if start is not None:
            earliest = start if earliest is None else min(start, earliest)
            start = earliest  # noqa: PLW2901 - what follows cannot have begun before
        result[name] = start
    return dict(reversed(result.items()))


def phase_of(step: int, starts: list[int | None]) -> str:
    """Return the name of the last phase that has begun at a step."""
    begun = [name for name, start in zip(PHASES, starts, strict=True) if _begun(start, step)]
    return begun[-1]


def spans(scalars: dict[str, Any], last: int) -> list[tuple[str, int, int]]:
    """Return (phase, first step, last step) of the phases of a result that last any steps."""
    names = ("circuit_formation_at", "cleanup_at", "generalized_at")
    starts = [(PHASES[0], 0)]
    starts += [
        (phase, scalars[name])
        for phase, name in zip(PHASES[1:], names, strict=True)
        if scalars[name] is not None
    ]
    ends = [start for _, start in starts[1:]] + [last]
    return [(phase, a, b) for (phase, a), b in zip(starts, ends, strict=True) if b > a]


def _begun(start: int | None, step: int) -> bool:
    return start is not None and step >= start


def _formation(run: Run, *, rise: float) -> tuple[int | None, dict[str, Any], Arrays]:
    """Return where circuit formation begins, what says so, and the curves that do."""
    try:
        found = run.analyze("fourier_circuit").arrays
    except ScienceError as error:
        norms = np.array([float(run.snapshot(step).params.double().norm()) for step in run.steps])
        at = int(norms.argmax())
        fell = norms[-1] < 0.99 * norms[at]
        judged = {"judged_by": "accuracy and weight norm", "because": str(error).splitlines()[0]}
        return (run.steps[at] if fell else None), judged, {"norm": norms}
    excluded = found["excluded_train"]
    at = int(excluded.argmin())
    rose = excluded[at:].max() >= rise * excluded[at]
    judged = {"judged_by": "accuracy, restricted and excluded loss", "because": ""}
    curves: Arrays = {"restricted": found["restricted_all"], "excluded": excluded}
    return (int(found["steps"][at]) if rose else None), judged, curves
