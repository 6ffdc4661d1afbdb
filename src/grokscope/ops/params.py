"""The parameters of a network as one flat vector, and the layout that names its pieces."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

Role: TypeAlias = Literal["weight", "bias", "norm", "embedding", "gate"]


@dataclass(frozen=True)
class Entry:
    """One named tensor of a network.

    `role` says what it is for decay policies; `fan_in` is the number of inputs each of its
    outputs sums over (0 where that has no meaning).
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    fan_in: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """Names, shapes and order of the tensors inside a flat parameter vector."""

    entries: tuple[Entry, ...]

    @cached_property
    def sizes(self) -> list[int]:
        """Elements of each entry, in order."""
        return [entry.size for entry in self.entries]

    @property
    def size(self) -> int:
        """Elements of the whole vector."""
        return sum(self.sizes)

    def split(self, flat: Float[Tensor, " size"]) -> dict[str, Tensor]:
        """Return named views of a flat vector. Differentiable; its adjoint is one `cat`."""
        parts = torch.split(flat, self.sizes)
        return {
            entry.name: part.view(entry.shape)
            for entry, part in zip(self.entries, parts, strict=True)
        }

    def join(self, named: Mapping[str, Tensor]) -> Float[Tensor, " size"]:
        """Return the flat vector of named tensors: the inverse of `split`."""
        return torch.cat([named[entry.name].reshape(-1) for entry in self.entries])

    def holds(self, role: Role) -> bool:
        """Return whether any entry has a role."""
        return any(entry.role == role for entry in self.entries)

    def mask(self, roles: set[Role], like: Tensor) -> Float[Tensor, " size"]:
        """Return 1 at the elements whose entry has one of `roles` and 0 elsewhere."""
        return torch.cat(
            [like.new_full((entry.size,), float(entry.role in roles)) for entry in self.entries]
        )

    def bind(self, module: nn.Module, flat: Float[Tensor, " size"]) -> None:
        """Make the parameters of `module` views of `flat`: writing to one writes to the other."""
        parameters = dict(module.named_parameters())
        for name, view in self.split(flat).items():
            parameters[name].data = view


_FAMILIES: list[tuple[type[nn.Module], Role]] = [
    (nn.LayerNorm, "norm"),
    (nn.RMSNorm, "norm"),
    (nn.Embedding, "embedding"),
]


def layout_of(module: nn.Module) -> Layout:
    """Return the layout of a network's trainable parameters, in registration order.

    Roles follow from what holds a tensor: embeddings and norms by their module, biases by their
    name, everything else is a weight. A module that holds bare parameters may state them in a
    mapping `roles: {name: (role, fan_in)}`.
    """
    entries = []
    for prefix, part in module.named_modules():
        stated: Mapping[str, tuple[Role, int]] = getattr(part, "roles", {})
        for name, parameter in part.named_parameters(recurse=False):
            shape = tuple(parameter.shape)
            role, fan_in = stated.get(name) or _role(part, name, shape)
            entries.append(Entry(f"{prefix}.{name}".lstrip("."), shape, role, fan_in))
    return Layout(tuple(entries))


def _role(part: nn.Module, name: str, shape: tuple[int, ...]) -> tuple[Role, int]:
    for family, role in _FAMILIES:
        if isinstance(part, family):
            return role, shape[-1]
    if name == "bias" or name.startswith("b_") or len(shape) < 2:
        return "bias", 0
    return "weight", math.prod(shape[1:])
