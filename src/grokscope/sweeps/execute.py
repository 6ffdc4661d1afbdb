"""A sweep is trained: what is missing in its folder, nothing twice."""

import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from grokscope._registry import nearest
from grokscope.config import RunConfig
from grokscope.config.decode import plain
from grokscope.errors import ConfigError
from grokscope.launch import Stop
from grokscope.store import Runs, open_all
from grokscope.store.durable import make_directory, set_aside, write_file
from grokscope.sweeps.executors import executor_named
from grokscope.sweeps.file import Sweep
from grokscope.sweeps.members import members
from grokscope.sweeps.standing import standing
from grokscope.workers import News, Told

QUICK = 200
"""Steps of each member in a quick sweep."""


def run_sweep(
    sweep: Sweep,
    *,
    out: str | Path = "runs",
    only: Sequence[str] = (),
    start_from: str | None = None,
    workers: int | None = None,
    executor: str | None = None,
    told: Told = lambda news: None,
    stop_requested: Stop = lambda: False,
    allow_drift: bool = False,
) -> Runs:
    """Train what is missing of a sweep and return all its runs, stored below `out`/<its name>.

    only: members by name; start_from: the member to begin with, by name or number from 1. workers:
    runs at once, by default what this machine has room for. told: hears where each member is.
    Raises ConfigError, before anything is written, for a wrong member and for names of none.
    """
    folder = Path(out) / sweep.name
    chosen = choose(members(sweep), only=only, start_from=start_from)
    stands = standing(chosen, folder)
    train = executor_named(executor or sweep.executor)
    make_directory(folder)
    write_sweep(sweep, folder)
    for name, reason in stands.blocked.items():
        told(News(name, "failed", reason=reason))
    missing = {name: chosen[name] for name in chosen if name in stands.missing}
    if missing:
        train(
            missing,
            folder,
            workers=workers,
            told=told,
            stop_requested=stop_requested,
            allow_drift=allow_drift,
        )
    return open_all(folder)


def choose(
    configs: Mapping[str, RunConfig], *, only: Sequence[str] = (), start_from: str | None = None
) -> dict[str, RunConfig]:
    """Return the members named by `only`, or from `start_from` on; a ConfigError for others."""
    names = list(configs)
    if start_from is not None and start_from.isdigit() and 1 <= int(start_from) <= len(names):
        start_from = names[int(start_from) - 1]
    for name in (*only, *([] if start_from is None else [start_from])):
        if name not in configs:
            known = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise ConfigError(f"no member {name!r}{nearest(name, names)} (members: {known})")
    kept = names if start_from is None else names[names.index(start_from) :]
    return {name: configs[name] for name in kept if not only or name in only}


def quick(sweep: Sweep) -> Sweep:
    """Return the sweep with members of 200 steps and a name of its own."""
    steps = {"steps": QUICK, "stop": "never"}
    return dataclasses.replace(sweep, name=f"{sweep.name}-quick", set={**sweep.set, **steps})


def write_sweep(sweep: Sweep, folder: Path) -> None:
    """Write `sweep.yaml` into the folder; another one that is there is set aside, not lost."""
    recipe = Path(sweep.recipe)
    if recipe.suffix:
        _replace(folder / "recipe.yaml", recipe.read_bytes())
        sweep = dataclasses.replace(sweep, recipe="recipe.yaml")
    tree = plain(dataclasses.asdict(sweep), sweep.name)
    _replace(folder / "sweep.yaml", _yaml(_without_empty(tree)))


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and path.read_bytes() != content:
        set_aside(path, "earlier")
    if not path.exists():
        write_file(path, content)


def _without_empty(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    return {k: _without_empty(v) for k, v in tree.items() if v not in (None, "", [], {})}


def _yaml(tree: Any) -> bytes:
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = None
    writer.width = 1000
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    writer.dump(tree, stream)
    return stream.getvalue().encode()
