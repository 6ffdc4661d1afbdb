"""Names for the few types that cross the whole house."""

from collections.abc import Mapping
from typing import TypeAlias

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict
from torch import Tensor

Named: TypeAlias = Mapping[str, Tensor]
"""Tensors by name: parameters, optimizer state, activations."""

Scalars: TypeAlias = Mapping[str, float]
"""One row of a history: column to value."""


STRICT = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
"""How pydantic decodes every configuration class: no unknown keys, no infinities."""


class PerRun:
    """Marks a configuration field whose value may differ between the runs of one cohort.

    Used as `Annotated[float, PER_RUN]`. Fields without the mark decide shapes or code paths, so
    runs that differ in them cannot share a batched step.
    """

    def __repr__(self) -> str:
        return "PER_RUN"


PER_RUN = PerRun()

__all__ = ["PER_RUN", "STRICT", "Ge", "Gt", "Le", "Lt", "Named", "PerRun", "Scalars"]
