"""What the runs of a sweep have in common: their configuration and where they come from."""

from collections.abc import Mapping
from typing import Any

from grokscope.analyses.outcomes import shown
from grokscope.analyses.sweep import Findings
from grokscope.errors import GrokscopeError
from grokscope.reports.page import words
from grokscope.store import Run

FEW = 4
"""Values of one field that are listed; of more, their number is."""

ABSENT = object()


def shared_fields(found: Findings) -> list[tuple[str, str]]:
    """Return the fields of the configuration that are equal in all runs, as path and value."""
    members = found.outcomes.members
    first = members[0].fields
    return [
        (path, shown(value))
        for path, value in first.items()
        if all(repr(member.fields.get(path, ABSENT)) == repr(value) for member in members)
    ]


def origins(found: Findings) -> list[tuple[str, str]]:
    """Return versions, machines and hashes over all runs: one value, a few, or how many."""
    seen: dict[str, dict[str, None]] = {}
    for member in found.outcomes.members:
        for key, value in _provenance(member.run).items():
            seen.setdefault(words(key), {})[_text(value)] = None
    return [
        (key, "; ".join(values) if len(values) <= FEW else f"{len(values):,} different ones")
        for key, values in seen.items()
    ]


def _provenance(run: Run) -> Mapping[str, Any]:
    try:
        return run.provenance
    except GrokscopeError as error:
        return {"not read": f"{run.name}: {error}"}


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return shown(value)
