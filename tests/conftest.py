"""What holds for every test: checked shapes, one thread, and no settings from outside."""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from beartype import beartype
from jaxtyping import install_import_hook


def check_functions(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check the arguments of functions and methods, but not those of constructors.

    A mapped cohort rebuilds frozen dataclasses around stacked tensors (`Prefixes` with one more
    axis, `Hinge(margin=<tensor>)`), so what a field holds is not what a single run sees there.
    """
    return function if function.__qualname__.endswith("__init__") else beartype(function)


# The hook looks the checker up by its dotted name when a module of grokscope is imported.
install_import_hook(
    ["grokscope.ops", "grokscope.tasks", "grokscope.models", "grokscope.objectives"],
    f"{__name__}.{check_functions.__name__}",
)
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GROKSCOPE_")]:
        monkeypatch.delenv(name)
