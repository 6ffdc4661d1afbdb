"""From a sweep to the configurations of its members, each with a name that says what it is."""

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from grokscope.config import RunConfig, decode, encode, identity, load
from grokscope.config.decode import merge
from grokscope.errors import ConfigError
from grokscope.sweeps.file import MOST, Draw, Random, Sweep

SHORT = {
    "optimizer.weight_decay": "wd",
    "data.train_fraction": "frac",
    "model.d_model": "d",
    "model.num_layers": "layers",
    "seed": "s",
}
"""Words of the field where the last part of a path is long."""


def members(sweep: Sweep) -> dict[str, RunConfig]:
    """Return the configuration of each member by its name, in the order of the file.

    A name holds the short word and the value of every field that varies: `p17_lr1e-3_wd1.0`.
    Raises ConfigError naming the member and the field, and for two members that are one run.
    """
    base = load(sweep.recipe)
    common = {path: (value, f"{sweep.name}: set") for path, value in sweep.set.items()}
    tree = merge(encode(base), common)
    found: dict[str, RunConfig] = {}
    seen: dict[str, str] = {}
    words = _words(tuple(dict.fromkeys(path for row in rows(sweep) for path in row)))
    for row in rows(sweep):
        changes = {path: (value, sweep.name) for path, value in row.items()}
        told = ", ".join(f"{path}={json.dumps(value)}" for path, value in row.items())
        labels = {"name": "member", "notes": f"Sweep {sweep.name}, {told}. {sweep.notes}".strip()}
        config = decode(merge(tree, changes) | labels, changes=common | changes)
        name = "_".join(words[path] + _value(config, path, value) for path, value in row.items())
        name = re.sub(r"[^A-Za-z0-9._=+-]", "-", name)[:120]
        same = seen.setdefault(f"{identity(config)} {config.steps} {config.stop}", name)
        if same != name or name in found:
            raise ConfigError(f"{sweep.name}: {name} and {same} are the same run")
        found[name] = decode(encode(config) | {"name": name})
    return found


def rows(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """Yield the values by path of each member. Raises ConfigError for paths given twice."""
    grid = [
        dict(zip(sweep.grid, values, strict=True))
        for values in itertools.product(*sweep.grid.values())
    ]
    zipped = [
        dict(zip(sweep.zip, values, strict=True))
        for values in zip(*sweep.zip.values(), strict=True)
    ]
    drawn = [] if sweep.random is None else _drawn(sweep.random)
    parts = [grid, zipped or [{}], [dict(row) for row in sweep.list] or [{}], drawn or [{}]]
    total = math.prod(map(len, parts))
    if total > MOST:
        raise ConfigError(f"{sweep.name}: {total:,} members, expected at most {MOST:,}")
    for combined in itertools.product(*parts):
        paths = [path for part in combined for path in part]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise ConfigError(f"{sweep.name}: {twice}: varies in two places")
        yield {path: value for part in combined for path, value in part.items()}


def _drawn(random: Random) -> list[dict[str, Any]]:
    generator = np.random.Generator(np.random.PCG64(random.seed))
    return [
        {path: _one(draw, generator) for path, draw in random.draw.items()}
        for _ in range(random.count)
    ]


def _one(draw: Draw, generator: np.random.Generator) -> Any:
    if draw.choice is not None:
        return draw.choice[generator.integers(len(draw.choice))]
    low, high = draw.uniform or draw.log_uniform or (0.0, 0.0)
    if draw.uniform is not None:
        return float(f"{low + (high - low) * generator.random():.4g}")
    return float(f"{low * (high / low) ** generator.random():.4g}")


def _words(paths: tuple[str, ...]) -> dict[str, str]:
    """Return a short word for each path; the whole path where two would be the same."""
    words = {}
    for path in paths:
        parts = [part for part in path.split(".") if not part.isdigit()]
        last = parts[-2] if parts[-1] == "kind" and len(parts) > 1 else parts[-1]
        words[path] = SHORT.get(path, last.replace("_", "-"))
    counts = [*words.values()]
    return {path: w if counts.count(w) == 1 else path for path, w in words.items()}


def _value(config: RunConfig, path: str, given: Any) -> str:
    """Return a value as it stands in a name: as the configuration holds it, so 1 may be 1.0."""
    here: Any = encode(config)
    for part in path.split("."):
        here = here[int(part)] if isinstance(here, list) else here.get(part, given)
    if isinstance(here, bool) or here is None:
        return f"-{json.dumps(here)}"
    if isinstance(here, float):
        return number(here)
    if isinstance(here, int):
        return str(here)
    if isinstance(here, Mapping):
        return f"-{here.get('kind', 'section')}"
    return "-" + (here if isinstance(here, str) else json.dumps(here, separators=(",", ":")))


def number(x: float) -> str:
    """Return a short text of a number.

    >>> [number(x) for x in (0.001, 0.0003, 1.0, 0.5, 12.0, 0.25)]
    ['1e-3', '3e-4', '1.0', '0.5', '12.0', '0.25']
    """
    if x and (abs(x) < 0.01 or abs(x) >= 1e6):
        mantissa, _, exponent = f"{x:.6e}".partition("e")
        return f"{float(mantissa):.6g}e{int(exponent)}"
    return repr(float(f"{x:.6g}"))
