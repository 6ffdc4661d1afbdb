"""The local learning coefficient from Langevin chains."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ConfigError
from grokscope.ops.streams import normals, stream


def langevin_losses(
    value_and_gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    center: Float[Tensor, " size"],
    *,
    scale: float,
    localizer: float,
    step_size: float,
    draws: int,
    chain: int,
) -> Float[Tensor, " draws"]:
    """Return the losses L_n(w) along one chain that begins at `center`, float64.

    w ← w - (ε/2)(nβ ∇L_n(w) + γ(w - w*)) + √ε ξ with nβ the `scale`, whose stationary law is
    exp(-nβ L_n - γ‖w - w*‖²/2) to the order of ε (Welling & Teh 2011; Lau et al. 2023). The noise ξ
    is a function of the number of the chain and of the draw. Raises ConfigError where a loss is no
    longer finite.
    """
    point, losses = center.clone(), []
    for draw in range(draws):
        value, gradient = value_and_gradient(point)
        if not torch.isfinite(value):
            raise ConfigError(f"step_size: {step_size:g} lets chain {chain} diverge; take less")
        losses.append(value.double())
        noise = torch.from_numpy(normals(stream(chain, "langevin", draw), len(center)))
        drift = scale * gradient + localizer * (point - center)
        point = point - step_size / 2 * drift + math.sqrt(step_size) * noise.to(center)
    return torch.stack(losses)
