"""One step of one run, or of many runs at once: the same algebra, two speeds."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, final, get_type_hints

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap
from torch.utils import _pytree as pytree

from grokscope.engine.member import Member
from grokscope.objectives import Objective
from grokscope.problem import Examples
from grokscope.typing import PerRun

T = TypeVar("T")


class Stepper(ABC):
    """Computes gradients of its members at their present step, and applies them."""

    members: Sequence[Member]

    @abstractmethod
    def compute(self) -> Tensor:
        """Compute the gradients; return the value of each member's objective, shape [r]."""

    @abstractmethod
    def known(self, number: int) -> Mapping[str, Tensor]:
        """Return what the last `compute` knows of member `number`: attributes of a snapshot."""

    @abstractmethod
    def apply(self) -> None:
        """Apply the computed gradients. Steps are counted by the loop."""


@final
class Alone(Stepper):
    """One member through plain autograd."""

    def __init__(self, member: Member) -> None:
        self.members = [member]
        self._known: dict[str, Tensor] = {}
        self._gradient = member.params

    def compute(self) -> Tensor:
        """Compute one gradient."""
        member = self.members[0]
        problem = member.problem.at(member.step)
        terms, self._gradient = problem.gradient(member.examples())
        if member.full_batch:
            self._known = {
                "train_logits": terms.logits.detach(),
                "penalty": terms.penalty.detach(),
                "gradient": self._gradient,
            }
        else:
            self._known = {"step_gradient": self._gradient}
        return terms.total.detach().unsqueeze(0)

    def known(self, number: int) -> Mapping[str, Tensor]:
        """Return logits, penalty and gradient of the full batch, or the gradient of another."""
        return self._known

    def apply(self) -> None:
        """Apply one update."""
        self.members[0].apply(self._gradient)


@final
class Each(Stepper):
    """Members one after another, for gradients that cannot be mapped over runs."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self._alone = [Alone(member) for member in members]

    def compute(self) -> Tensor:
        """Compute each gradient."""
        return torch.cat([one.compute() for one in self._alone])

    def known(self, number: int) -> Mapping[str, Tensor]:
        """Return what is known of one member."""
        return self._alone[number].known(0)

    def apply(self) -> None:
        """Apply one update to every member."""
        for one in self._alone:
            one.apply()


@final
class Together(Stepper):
    """Members that differ only in PER_RUN fields, stacked and mapped with vmap.

    Same formulas on the same data; batched products may round differently, so a run here equals
    the run alone within a stated tolerance, not to the bit.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        self._params = torch.stack([member.params for member in members])
        for row, member in zip(self._params, members, strict=True):
            member.params = row
            member.problem.layout.bind(member.problem.network, row)
        self._optimizer = _stack([member.optimizer for member in members])
        self._buffers = _stack([dict(m.problem.network.named_buffers()) for m in members])
        first = members[0]
        self._full = first.full_batch
        if self._full:
            self._batch = self._stacked([member.problem.train for member in members])
        objectives = [member.problem.objective for member in members]
        optimizers = [member.config.optimizer for member in members]
        self._objective, self._objective_values = _mapped(objectives, first.params)
        self._optimizer_config, self._optimizer_values = _mapped(optimizers, first.params)
        self._gradients = torch.empty_like(self._params)
        self._logits = self._penalty = self._params

    def compute(self) -> Tensor:
        """Compute all gradients in one batched pass."""
        batch = self._batch if self._full else self._stacked([m.examples() for m in self.members])
        network = self.members[0].problem.network
        layout, step = self.members[0].problem.layout, self.members[0].step

        def objective(
            flat: Tensor, buffers: Any, values: Any, prepared: Any, targets: Tensor
        ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            params = layout.split(flat)

            def apply(inputs: Any) -> Tensor:
                logits: Tensor = functional_call(network, {**params, **buffers}, (inputs,))
                return logits

            bound: Objective = _with_values(self._objective, values)
            terms = bound.at(step).terms(apply, params, prepared, targets)
            return terms.total, (terms.logits, terms.penalty)

        mapped = vmap(
            grad_and_value(objective, has_aux=True), in_dims=(0, 0, 0, _axes(batch[0]), 0)
        )
        gradients, (total, (logits, penalty)) = mapped(
            self._params, self._buffers, self._objective_values, *batch
        )
        self._gradients, self._logits, self._penalty = gradients, logits, penalty
        detached: Tensor = total.detach()
        return detached

    def _stacked(self, examples: Sequence[Examples]) -> tuple[Any, Tensor]:
        """Return prepared inputs and targets of all members; share only where all share alike."""
        prepared = [part.prepared for part in examples]
        if not _alike(prepared):
            network = self.members[0].problem.network
            prepared = [network.prepare(part.inputs, share=False) for part in examples]
        return _stack(prepared), torch.stack([part.targets for part in examples])

    def known(self, number: int) -> Mapping[str, Tensor]:
        """Return logits, penalty and gradient of the full batch."""
        if not self._full:
            return {"step_gradient": self._gradients[number]}
        return {
            "train_logits": self._logits[number].detach(),
            "penalty": self._penalty[number].detach(),
            "gradient": self._gradients[number],
        }

    def apply(self) -> None:
        """Apply one update to every member."""
        layout, schedule = self.members[0].problem.layout, self.members[0].config.schedule
        step = self.members[0].step

        def update(gradient: Tensor, state: Any, params: Tensor, values: Any) -> Any:
            optimizer = _with_values(self._optimizer_config, values)
            return optimizer.transform(layout, schedule).update(gradient, state, params, step)

        with torch.no_grad():
            change, self._optimizer = vmap(update)(
                self._gradients, self._optimizer, self._params, self._optimizer_values
            )
            self._params.add_(change)
        for number, member in enumerate(self.members):
            member.optimizer = {name: x[number] for name, x in self._optimizer.items()}


def _stack(trees: Sequence[Any]) -> Any:
    """Stack the tensors of equal trees along a new first axis; None stays None."""
    return pytree.tree_map(lambda *xs: None if xs[0] is None else torch.stack(xs), *trees)


def _axes(tree: Any) -> Any:
    """Return the `in_dims` of a stacked tree: 0 for tensors, None where there is none."""
    return pytree.tree_map(lambda x: None if x is None else 0, tree)


def _alike(trees: Sequence[Any]) -> bool:
    """Return whether the trees have one structure and their tensors one shape."""
    kinds = []
    for tree in trees:
        leaves, spec = pytree.tree_flatten(tree)
        kinds.append((spec, [getattr(leaf, "shape", None) for leaf in leaves]))
    return all(kind == kinds[0] for kind in kinds)


def per_run_values(config: Any, prefix: str = "") -> dict[str, float]:
    """Return the PER_RUN fields of a configuration and of those inside it, by dotted path."""
    found: dict[str, float] = {}
    if isinstance(config, tuple):
        for number, part in enumerate(config):
            found |= per_run_values(part, f"{prefix}{number}.")
    elif dataclasses.is_dataclass(config):
        hints = get_type_hints(type(config), include_extras=True)
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            marks = getattr(hints[field.name], "__metadata__", ())
            if any(isinstance(mark, PerRun) for mark in marks):
                found[f"{prefix}{field.name}"] = value
            else:
                found |= per_run_values(value, f"{prefix}{field.name}.")
    return found


def _mapped(configs: Sequence[T], like: Tensor) -> tuple[T, dict[str, Tensor]]:
    """Return one configuration as a template, and the PER_RUN values of all, each [r]."""
    rows = [per_run_values(config) for config in configs]
    stacked = {
        path: torch.tensor([row[path] for row in rows], dtype=like.dtype, device=like.device)
        for path in rows[0]
    }
    return configs[0], stacked


def _with_values(config: Any, values: Mapping[str, Any]) -> Any:
    """Return the configuration with values set at dotted paths."""
    for path, value in values.items():
        config = _set(config, path.split("."), value)
    return config


def _set(config: Any, path: Sequence[str], value: Any) -> Any:
    first, *rest = path
    if isinstance(config, tuple):
        items = list(config)
        items[int(first)] = _set(items[int(first)], rest, value)
        return tuple(items)
    changed = _set(getattr(config, first), rest, value) if rest else value
    return dataclasses.replace(config, **{first: changed})
