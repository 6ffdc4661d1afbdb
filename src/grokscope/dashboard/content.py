"""What the page gets: the section a view asks for as plain data; nothing of it is markup."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grokscope.analyses.outcomes import LOOKING, short, shown, telling
from grokscope.dashboard.library import Entry, Library, Shelf
from grokscope.dashboard.look import Look, chosen
from grokscope.dashboard.pages import PAGES, Page
from grokscope.dashboard.panels import Panel
from grokscope.dashboard.quantities import FINEST, LEAST, POINTS
from grokscope.dashboard.view import View, matches
from grokscope.errors import GrokscopeError
from grokscope.plots.text import inert

LOG = logging.getLogger(__name__)
HOME = "runs"
LEGEND = 24


@dataclass(frozen=True)
class Table:
    """Rows of cells below a head; `links` are queries that the first cells lead to."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    links: Sequence[str] = ()


def sections() -> list[tuple[str, str]]:
    """Return (name, label) of the table of runs and of each page, in order."""
    pages = sorted(PAGES.values(), key=lambda page: page.order)
    return [(HOME, "Runs"), *((page.name, page.label) for page in pages)]


def content(library: Library, view: View) -> dict[str, Any]:
    """Return the section of a view: panels, legend, table, notes and what could not be read."""
    shelf = library.look()
    names = dict(sections())
    section = view.section if view.section in names else "training_curves"
    look = Look(library, view, chosen(shelf.entries, view, matches))
    problems, notes, panels = list(shelf.problems), [], list[Panel]()
    if not shelf.entries:
        notes.append(f"There is no run in {library.folder} that can be read.")
    elif not look.entries:
        notes.append("No run is chosen: none has this name and these values.")
    elif section != HOME:
        panels, said = _panels(PAGES[section], look)
        notes += said
    return {
        "section": section,
        "label": names[section],
        "doc": "" if section == HOME else PAGES[section].doc,
        "query": view.query,
        "notes": notes,
        "legend": _legend(look) if any(panel.colored for panel in panels) else [],
        "panels": [_data(panel) for panel in panels],
        "table": asdict(_table(look)) if section == HOME and look.entries else None,
        "problems": problems,
        "counts": _counts(shelf, look),
        "live": any(entry.training for entry in look.entries),
    }


def _panels(page: Page, look: Look) -> tuple[list[Panel], list[str]]:
    try:
        found = list(page.function(look))
    except GrokscopeError as error:
        return [], [str(error).splitlines()[0]]
    except Exception as error:
        LOG.exception("%s", page.name)
        return [], [f"This section cannot be drawn: {type(error).__name__}: {error}"]
    if not found:
        return [], [page.empty]
    return found, _thinned(look)


def _data(panel: Panel) -> dict[str, Any]:
    return asdict(panel) | {"figure": inert(panel.figure)}


def _thinned(look: Look) -> list[str]:
    """Return what to say where curves have more points than are drawn."""
    most = min(max(POINTS // max(len(look.entries), 1), LEAST), FINEST)
    rows = max(look.library.rows(entry) for entry in look.entries)
    if look.view.section == "sweep" or rows <= most:
        return []
    return [
        f"Curves of up to {rows:,} points are drawn with at most {most:,}; "
        "the highest and the lowest of each stretch are kept."
    ]


def _legend(look: Look) -> list[dict[str, str]]:
    words = look.legend
    shown_ = [{"word": word, "color": look.colors[word]} for word in words[:LEGEND]]
    more = len(words) - len(shown_)
    return shown_ + ([{"word": f"and {more:,} more", "color": ""}] if more else [])


def _counts(shelf: Shelf, look: Look) -> str:
    total, read = len(shelf.entries) + len(shelf.problems), len(shelf.entries)
    words = f"{len(look.entries):,} of {total:,} run{'s' * (total != 1)} shown"
    return words if read == total else f"{words}, {total - read:,} cannot be read"


def _table(look: Look) -> Table:
    paths = [p for p in look.outcomes.varying if p.partition(".")[0] not in LOOKING]
    varying = telling([{p: e.member.fields.get(p) for p in paths} for e in look.entries])
    head = ["Run", "Outcome", "Step", "Memorized at", "Grokked at", "Test accuracy"]
    rows = [_row(entry, varying) for entry in look.entries]
    links = [View(runs=(entry.name,), section="training_curves").query for entry in look.entries]
    return Table([*head, *(short(path, varying) for path in varying)], rows, links)


def _row(entry: Entry, varying: Sequence[str]) -> list[str]:
    member = entry.member
    status = member.status
    accuracy = member.number("test_acc")
    return [
        entry.name,
        "training" if entry.training else member.outcome,
        *(_count(status.get(key)) for key in ("step", "memorized_at", "grokked_at")),
        "–" if accuracy is None else f"{accuracy:.4f}",
        *(shown(member.fields[path]) if path in member.fields else "–" for path in varying),
    ]


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"
