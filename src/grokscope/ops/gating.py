"""Gates in [0, 1] as functions of a logit, and what is measured on gates and routing weights."""

import math
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

Form: TypeAlias = Literal["sigmoid", "gumbel", "straight_through"]

QUANTILES = 64
"""Fixed quantiles of the logistic distribution that stand for the noise of a Gumbel gate."""
CLOSEST = 0.99
"""A gate that is to start open starts here: no finite logit gives 1."""


def gate(
    logit: Float[Tensor, "*n"], temperature: float | Tensor, form: Form
) -> tuple[Float[Tensor, "*n"], Float[Tensor, "*n"]]:
    """Return the gate, and what stands in for it in its gradient (the same but where it is a step).

    sigmoid: σ(a/τ). gumbel: the mean over logistic noise ε of the relaxed gate σ((a + ε)/τ)
    (Jang et al. 2017; Maddison et al. 2017), with ε at the quantiles (k + ½)/64 instead of drawn.
    straight_through: 1 where σ(a/τ) >= ½ and 0 elsewhere, with the gradient of σ(a/τ)
    (Bengio et al. 2013).
    """
    if form == "gumbel":
        u = (torch.arange(QUANTILES, dtype=logit.dtype, device=logit.device) + 0.5) / QUANTILES
        soft = torch.sigmoid((logit.unsqueeze(-1) + torch.logit(u)) / temperature).mean(-1)
        return soft, soft
    soft = torch.sigmoid(logit / temperature)
    if form == "sigmoid":
        return soft, soft
    return (soft >= 0.5).to(soft.dtype) + (soft - soft.detach()), soft


def logit_of(value: float, temperature: float, form: Form) -> float:
    """Return the logit at which the soft gate has a value, at most .99 and at least .01."""
    value = min(max(value, 1 - CLOSEST), CLOSEST)
    if form != "gumbel":
        return temperature * math.log(value / (1 - value))
    low, high = -100.0 * max(temperature, 1), 100.0 * max(temperature, 1)
    for _ in range(100):  # bisection: the gate rises with its logit
        middle = (low + high) / 2
        found, _soft = gate(torch.tensor(middle, dtype=torch.float64), temperature, form)
        low, high = (middle, high) if float(found) < value else (low, middle)
    return (low + high) / 2


def gate_entropy(gates: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return -g ln g - (1 - g) ln(1 - g) in nats.

    Within one rounding of 0 and 1 the gradient is 0, where the formula's would be infinite.
    """
    edge = torch.finfo(gates.dtype).eps
    inside = gates.clamp(edge, 1 - edge)
    entropy: Tensor = torch.special.entr(inside) + torch.special.entr(1 - inside)
    return entropy


def routing_entropy(weights: Float[Tensor, "*n heads"]) -> Float[Tensor, "*n"]:
    """Return -Σ w ln w in nats, 0 for one head alone and ln(heads) for all alike."""
    positive = weights.clamp_min(torch.finfo(weights.dtype).tiny)
    entropy: Tensor = torch.special.entr(positive).sum(-1)
    return entropy


def gini(x: Float[Tensor, "*n k"]) -> Float[Tensor, "*n"]:
    """Return Σ_ij |x_i - x_j| / (2k Σ x): 0 for all alike, (k - 1)/k for one alone."""
    apart = (x.unsqueeze(-1) - x.unsqueeze(-2)).abs().sum((-2, -1))
    index: Tensor = apart / (2 * x.shape[-1] * x.sum(-1))
    return index
