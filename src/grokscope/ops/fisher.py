"""The Gauss-Newton matrix and the two Fisher matrices, by derivatives along a direction.

With the Jacobian J_i of the logits of example i, the Hessian Λ_i of its loss in the logits and the
gradient g_i of its loss in the parameters, all three are means over examples: the Gauss-Newton
matrix of J_iᵀ Λ_i J_i; the true Fisher matrix of E[g gᵀ] over labels drawn from the network's own
softmax, which under cross-entropy is the same matrix; the empirical Fisher matrix of g_i g_iᵀ with
the labels of the data, which is another one (Kunstner et al. 2019).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad, jvp, vjp

Logits = Callable[[Tensor], Tensor]
Losses = Callable[[Tensor], Tensor]


def gauss_newton_product(
    logits: Logits, losses: Losses, at: Float[Tensor, " size"]
) -> Callable[[Tensor], Tensor]:
    """Return v ↦ Gv for the Gauss-Newton matrix of the mean of `losses(logits(θ))`."""

    def mean_loss(z: Tensor) -> Tensor:
        return losses(z).mean()

    def product(v: Tensor) -> Tensor:
        z, along = jvp(logits, (at,), (v,))[:2]
        bent = jvp(grad(mean_loss), (z,), (along,))[1]
        pulled: Tensor = vjp(logits, at)[1](bent)[0]
        return pulled

    return product


def fisher_quadratics(
    logits: Logits, losses: Losses, at: Float[Tensor, " size"], v: Float[Tensor, " size"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Return vᵀGv of the Gauss-Newton matrix and vᵀFv of the empirical Fisher matrix.

    One forward derivative of the logits gives both: the mean of (J v)ᵀ Λ (J v), and of (gᵀ v)².
    """
    z, along = jvp(logits, (at,), (v,))[:2]

    def slopes(y: Tensor) -> Tensor:
        slope: Tensor = jvp(losses, (y,), (along,))[1]
        return slope

    first, second = jvp(slopes, (z,), (along,))[:2]
    return second.mean(), first.square().mean()


def softmax_fisher(logits: Float[Tensor, "n classes"]) -> Float[Tensor, "n classes classes"]:
    """Return diag(p) - p pᵀ for each row: the Fisher matrix of a softmax in its logits."""
    p = torch.softmax(logits, -1)
    return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)
