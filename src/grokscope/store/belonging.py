"""Whether a checkpoint belongs to the rows and the configuration beside it.

Files that are sound in themselves may still be of another run. So a checkpoint keeps the hash of
its configuration, and of a chain of hashes over the rows of the history the link after its own.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from grokscope.errors import NoValidStateError
from grokscope.store import checkpoint, history, reading
from grokscope.store.checkpoint import Checkpoint

Row = Mapping[str, float | None]
START = ""


def follow(link: str, row: Row) -> str:
    """Return the next link of a chain: the SHA-256 of the link before and of a row's values."""
    values = [f"{name} {float(x).hex()}" for name, x in sorted(row.items()) if x is not None]
    return hashlib.sha256("\n".join([link, *values]).encode()).hexdigest()


def chain(rows: Iterable[Row]) -> list[str]:
    """Return the links after no row, after one, and so on to the last."""
    links = [START]
    for row in rows:
        links.append(follow(links[-1], row))
    return links


def chain_of(run: Path) -> list[str]:
    """Return the links of the rows of a run's history that can be read without a gap."""
    return chain(history.prefix(run, "history").iter_rows(named=True))


def newest(run: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that is valid and belongs to its run, or None.

    Also what was wrong with newer ones.
    """
    return checkpoint.newest(run, belonging(run))


def belonging(run: Path) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that says why a checkpoint of these facts does not belong, or nothing."""
    links, known = chain_of(run), identities(run)
    return lambda facts: foreign(facts, known) or misplaced(facts, links)


def misplaced(facts: Mapping[str, Any], links: list[str]) -> str:
    """Return in what way a checkpoint does not fit a history, or an empty string."""
    rows = facts["rows"]
    if rows >= len(links):
        return f"counts {rows} rows of history, {len(links) - 1} can be read"
    if facts.get("history_hash", links[rows]) != links[rows]:
        return f"does not follow from the first {rows} rows of the history"
    return ""


def foreign(facts: Mapping[str, Any], known: set[str]) -> str:
    """Return that a checkpoint is of another configuration than the known ones, or nothing."""
    mine = facts.get("config_hash")
    return "is of another configuration" if mine is not None and known and mine not in known else ""


def identities(run: Path) -> set[str]:
    """Return the hashes of the configurations a run has had: more than one only after a drift."""
    try:
        facts = reading.mapping(run / "provenance.json", {"drift": list})
    except NoValidStateError:
        return set()
    entries = [facts, *(entry for entry in facts.get("drift", []) if isinstance(entry, dict))]
    return {str(entry["config_hash"]) for entry in entries if entry.get("config_hash")}
