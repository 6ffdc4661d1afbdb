"""Where the numbers of a run come from: versions, machine, threads, data."""

import functools
import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from grokscope.config import RunConfig, identity
from grokscope.ops.products import onednn_is_faster

_DECIDING = (
    "config_hash",
    "split_hash",
    "code_hash",
    "device",
    "products",
    "cpu_capability",
    "platform",
)
PACKAGES = ("grokscope", "torch", "numpy", "numba", "safetensors", "pyarrow", "polars")


def provenance(config: RunConfig, split_hash: str) -> dict[str, Any]:
    """Return the provenance of a run that starts now, as plain data."""
    return {
        "version": 1,
        "config_hash": identity(config),
        "split_hash": split_hash,
        "code_hash": code_hash(),
        "packages": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "device": _device(config.device),
        "threads": config.threads or torch.get_num_threads(),
        "products": "oneDNN" if onednn_is_faster() else "BLAS",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
    }


@functools.cache
def code_hash() -> str:
    """Return a hash of the source of everything that decides a run's numbers."""
    root = Path(__file__).parents[1]
    deciding = (
        *("config", "dynamics", "engine", "metrics", "models"),
        *("objectives", "ops", "optim", "tasks"),
    )
    paths = [
        *root.glob("*.py"),
        *(path for name in deciding for path in (root / name).glob("*.py")),
    ]
    parts = [f"{path.relative_to(root)} {_sha(path.read_bytes())}" for path in sorted(paths)]
    return _sha("\n".join(parts).encode())[:16]


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _device(name: str) -> str:
    return torch.cuda.get_device_name() if name == "cuda" else name


def drift(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what decides a run's bits and is no longer as it was: `device was cpu, is cuda`."""
    pairs = [(name, old.get(name), new.get(name)) for name in _DECIDING]
    packages = old.get("packages", {})
    pairs += [
        (name, packages.get(name), new["packages"][name])
        for name in ("grokscope", "torch", "numpy", "numba")
    ]
    return [f"{name} was {was}, is {now}" for name, was, now in pairs if was != now]
