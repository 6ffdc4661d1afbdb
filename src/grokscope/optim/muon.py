"""Muon: momentum whose matrices are made nearly orthogonal (Jordan et al. 2024)."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.ops.params import Entry, Layout
from grokscope.optim.adam import Moments, scale_by_adam
from grokscope.optim.base import OPTIMIZERS, State, Transform, chain, stateless
from grokscope.optim.schedule import Schedule
from grokscope.typing import PER_RUN, Ge, Gt, Lt, Named

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
TINY = 1e-7


def newton_schulz(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return U s(Σ) Vᵀ of a matrix UΣVᵀ, with s five times aσ + bσ³ + cσ⁵ on σ/‖matrix‖_F.

    The singular values end between .68 and 1.14 unless they were less than about .002 of the norm.
    """
    a, b, c = COEFFICIENTS
    wide = matrix.shape[-2] <= matrix.shape[-1]
    x = matrix if wide else matrix.mT
    x = x / torch.linalg.vector_norm(x).clamp(min=TINY)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    found: Tensor = x if wide else x.mT
    return found


@OPTIMIZERS.register
@dataclass(frozen=True, kw_only=True)
class Muon(Moments):
    """Muon on hidden matrices, AdamW on the rest, as its author recommends.

    Hidden matrices are all weights of two or more dimensions (a convolution counts as the matrix
    [out, inputs]) but those of `adamw_on`. Decay is apart from the momentum, at the rate of each
    group. The matrices of torch.optim.Muon are its twin; deviation: the iteration runs in the
    dtype of the parameters, not in bfloat16.
    """

    kind: Literal["muon"] = "muon"
    lr: Annotated[float, Gt(0), PER_RUN] = 0.02
    """Learning rate η of the matrices, before the schedule's factor."""
    momentum: Annotated[float, Ge(0), Lt(1), PER_RUN] = 0.95
    """Momentum μ of the matrices: b ← μb + (1 - μ)g."""
    nesterov: bool = True
    """Whether the matrices look ahead: μb + (1 - μ)g in place of b."""
    scale: Literal["original", "match_rms_adamw"] = "original"
    """Factor on the update of a matrix [m, n]: √max(1, m/n), or .2·√max(m, n), which gives it the
    usual size of an update of AdamW (Liu et al. 2025)."""
    adamw_on: tuple[str, ...] = ("unembed",)
    """Beginnings of the names of weights left to AdamW beside embeddings, biases and norms. The
    first layer of a perceptron on one-hot inputs is an embedding too: add `first` to spare it."""
    adamw_lr: Annotated[float, Gt(0), PER_RUN] = 1e-3
    """Learning rate of AdamW, which also takes `betas` and `eps`."""

    @property
    def decays_apart(self) -> bool:
        """True: decay enters neither momentum nor moments."""
        return True

    def transform(self, layout: Layout, schedule: Schedule) -> Transform:
        """Return clip → orthogonalized momentum and moments → decay → -η of each group."""
        mine = [self._is_hidden(entry) for entry in layout.entries]
        if not any(mine):
            raise ConfigError("optimizer.kind: this network has no hidden matrix for muon")

        def scaled(direction: Tensor, params: Tensor, step: int) -> Tensor:
            pieces = torch.split(direction, layout.sizes)
            rates = [self.lr if hidden else self.adamw_lr for hidden in mine]
            factor = -schedule.factor(step)
            return torch.cat([x * (factor * r) for x, r in zip(pieces, rates, strict=True)])

        groups = self._groups(layout, mine)
        rates = (*self.gate_rate(layout), stateless(scaled))
        return chain(*self.clipping(), groups, self.decay(layout), *rates)

    def _groups(self, layout: Layout, mine: list[bool]) -> Transform:
        """Return the transform that treats the matrices here and hands the rest to Adam."""
        adam = scale_by_adam(*self.betas, self.eps)

        def group(flat: Tensor, hidden: bool) -> Tensor:
            pieces = torch.split(flat, layout.sizes)
            return torch.cat(
                [flat[:0], *(x for x, h in zip(pieces, mine, strict=True) if h is hidden)]
            )

        def init(params: Tensor) -> State:
            velocity = torch.zeros_like(group(params, True))
            return {"velocity": velocity, **adam.init(group(params, False))}

        def update(
            direction: Tensor, state: Named, params: Tensor, step: int
        ) -> tuple[Tensor, State]:
            gradient = group(direction, True)
            velocity = gradient + self.momentum * (state["velocity"] - gradient)
            ahead = gradient + self.momentum * (velocity - gradient)
            matrices = iter(self._updates(layout, mine, ahead if self.nesterov else velocity))
            rest, changed = adam.update(group(direction, False), state, params, step)
            others = iter(
                torch.split(rest, [n for n, h in zip(layout.sizes, mine, strict=True) if not h])
            )
            found = torch.cat([next(matrices if hidden else others) for hidden in mine])
            return found, {"velocity": velocity, **changed}

        return Transform(init, update)

    def _updates(self, layout: Layout, mine: list[bool], momentum: Tensor) -> list[Tensor]:
        """Return the flat update of each hidden matrix."""
        entries = [entry for entry, hidden in zip(layout.entries, mine, strict=True) if hidden]
        found = []
        for entry, x in zip(entries, torch.split(momentum, [e.size for e in entries]), strict=True):
            m, n = entry.shape[0], entry.size // entry.shape[0]
            ratio = max(1, m / n) if self.scale == "original" else 0.04 * max(m, n)
            found.append(newton_schulz(x.view(m, n)).reshape(-1) * math.sqrt(ratio))
        return found

    def _is_hidden(self, entry: Entry) -> bool:
        wide = entry.role == "weight" and len(entry.shape) >= 2
        return wide and not entry.name.startswith(self.adamw_on)
