"""How the members of a sweep stand in its folder: new, under way, done, or in the way."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from grokscope.config import RunConfig, encode, identity
from grokscope.errors import GrokscopeError
from grokscope.launch import missing_steps
from grokscope.store import Run, open_run


@dataclass(frozen=True)
class Standing:
    """Names of members by what is left to do, and of runs in the folder that are no members.

    blocked: members in whose place something else lies, and what.
    """

    new: tuple[str, ...]
    begun: tuple[str, ...]
    done: tuple[str, ...]
    gone: tuple[str, ...]
    blocked: Mapping[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """Members that need training."""
        return (*self.new, *self.begun)


def standing(
    configs: Mapping[str, RunConfig], folder: Path, *, among: Collection[str] = ()
) -> Standing:
    """Return how members stand in a folder, which need not exist.

    among: names of all members of the sweep, where `configs` are only some of them.
    """
    found: dict[str, list[str]] = {"new": [], "begun": [], "done": []}
    blocked: dict[str, str] = {}
    for name, config in configs.items():
        path = folder / name
        if not path.exists():
            found["new"].append(name)
            continue
        try:
            run = open_run(path)
            if reason := _other(run, config):
                blocked[name] = reason
            else:
                found["done" if _done(run, config) else "begun"].append(name)
        except GrokscopeError as error:
            blocked[name] = str(error).splitlines()[0]
    there = sorted(path.parent.name for path in folder.glob("[!.]*/config.yaml"))
    gone = tuple(name for name in there if name not in {*configs, *among})
    return Standing(tuple(found["new"]), tuple(found["begun"]), tuple(found["done"]), gone, blocked)


def _done(run: Run, config: RunConfig) -> bool:
    return run.status.get("state") == "finished" and not missing_steps(run, config)


def _other(run: Run, config: RunConfig) -> str:
    """Return in which field a run is not that of a configuration, or an empty text."""
    if identity(run.config) == identity(config):
        return ""
    old, new = _flat(encode(run.config)), _flat(encode(config))
    for path in {**old, **new}:
        labels = path.split(".")[0] in ("name", "notes", "tags", "steps", "stop", "threads")
        if old.get(path) != new.get(path) and not labels:
            return (
                f"{run.path}: a run with {path}={old.get(path)} is there, "
                f"the member has {new.get(path)}; move the run away or name the sweep anew"
            )
    return f"{run.path}: another run is there"


def _flat(value: object, prefix: str = "") -> dict[str, object]:
    if isinstance(value, dict):
        pairs = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list):
        pairs = [(str(key), item) for key, item in enumerate(value)]
    else:
        return {prefix.rstrip("."): value}
    return {k: v for key, item in pairs for k, v in _flat(item, f"{prefix}{key}.").items()}
