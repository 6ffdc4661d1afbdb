"""The torus-Laplacian energy penalty."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from grokscope.models import Network, capture
from grokscope.objectives.base import PENALTIES, Penalty, View
from grokscope.ops.laplacian import dirichlet_energy
from grokscope.tasks import Task
from grokscope.tasks.grid import grid_size
from grokscope.typing import Named


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class TorusLaplacian(Penalty):
    """xᵀ(I - A/4)x of the network as a function on the torus of all pairs: its roughness.

    Σ_kl λ_kl |F_kl|² over the modes of the 2-D Fourier transform, with the eigenvalues
    λ_kl = 1 - (cos 2πk/p + cos 2πl/p)/2. It sees the inputs of all p² pairs, those of the test
    set too, but no answer. A network that works at a high frequency pays for it, although it is as
    smooth as any after the right relabeling.
    """

    kind: Literal["torus_laplacian"] = "torus_laplacian"
    of: Literal["logits", "representation"] = "logits"
    """What is asked to be smooth: the logits, or what the unembedding reads."""
    relative: bool = True
    """Divide by the energy without its constant part: then only the shape counts, and the value is
    the mean eigenvalue, between 0 and 2. Otherwise the mean over pairs, which small weights lower
    too."""
    views: ClassVar[bool] = True

    def check(self, task: Task, network: Network) -> None:
        """Raise ScienceError for a task without all ordered pairs of residues."""
        grid_size(task, "penalties: torus_laplacian")

    def value(self, apply: Callable[[Any], Tensor], params: Named, prepared: View) -> Tensor:
        """Return the energy over all pairs."""
        p = prepared.operands[0]
        grid = function_of_pairs(self.of, apply, prepared).reshape(p, p, -1)
        energy = dirichlet_energy(grid)
        if self.relative:
            return energy / (grid - grid.mean((0, 1))).square().sum()
        return energy / p**2


def function_of_pairs(
    of: Literal["logits", "representation"], apply: Callable[[Any], Tensor], view: View
) -> Tensor:
    """Return the logits or the representation of every pair, shape [p², d]."""
    if of == "logits":
        return apply(view.every)
    with capture(view.network, "representation") as seen:
        apply(view.every)
    return torch.flatten(seen["representation"], start_dim=1)
