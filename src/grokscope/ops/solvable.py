"""Learning problems whose gradient flow is known in closed form."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor


def two_weights(times: Float[Tensor, " t"], weight_decay: float) -> Float[Tensor, "t 2"]:
    """Return the flow of (w₁ + w₂ - 2)² + λ(w₁² + w₂²) from (-1, 1), shape [times, 2].

    w₁ + w₂ = 4/(2+λ) · (1 - exp(-(4+2λ)t)) and w₁ - w₂ = -2 exp(-2λt) (Musat 2025): the loss is
    gone at a rate of about 4 whatever λ, and then the weights become alike at a rate of 2λ.
    """
    t = times.double()
    total = 4 / (2 + weight_decay) * -torch.expm1(-(4 + 2 * weight_decay) * t)
    difference = -2 * torch.exp(-2 * weight_decay * t)
    return torch.stack([total + difference, total - difference], dim=1) / 2


@dataclass(frozen=True, kw_only=True)
class RidgeFlow:
    """Gradient flow of ‖Xw - y‖²/(2n) + λ‖w‖²/2 from a start, solved mode by mode.

    Along an eigenvector of XᵀX/n with eigenvalue s, w(t) = exp(-(s+λ)t) w(0) +
    (1 - exp(-(s+λ)t))/(s+λ) c with c its part of Xᵀy/n; λ = 0 is least squares. Where s + λ = 0
    nothing moves.
    """

    inputs: Float[Tensor, "n d"]
    targets: Float[Tensor, " n"]
    start: Float[Tensor, " d"]
    ridge: float = 0.0

    @cached_property
    def _modes(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues and eigenvectors of XᵀX/n."""
        x = self.inputs.double()
        values, vectors = torch.linalg.eigh(x.t() @ x / len(x))
        return values.clamp(min=0), vectors

    def weights(self, times: Float[Tensor, " t"]) -> Float[Tensor, "t d"]:
        """Return the weights at some times."""
        values, vectors = self._modes
        x, y = self.inputs.double(), self.targets.double()
        rates = values + self.ridge
        reached = -torch.expm1(-torch.outer(times.double(), rates))
        pull = vectors.t() @ (x.t() @ y / len(x))
        begun = vectors.t() @ self.start.double()
        rest = torch.where(rates > 0, pull / rates, begun)
        return (begun + reached * (rest - begun)) @ vectors.t()

    def train_error(self, times: Float[Tensor, " t"]) -> Float[Tensor, " t"]:
        """Return ‖Xw - y‖²/n."""
        errors = self.weights(times) @ self.inputs.double().t() - self.targets.double()
        return errors.square().mean(1)

    def test_error(
        self,
        times: Float[Tensor, " t"],
        *,
        teacher: Float[Tensor, " d"],
        covariance: Float[Tensor, "d d"] | None = None,
    ) -> Float[Tensor, " t"]:
        """Return (w - w*)ᵀ Σ (w - w*): the mean squared error on fresh noiseless inputs.

        covariance: that of the inputs; None is the identity.
        """
        difference = self.weights(times) - teacher.double()
        moved = difference if covariance is None else difference @ covariance.double()
        return (difference * moved).sum(1)


def ridge_errors_at_scale(
    times: Float[Tensor, " t"],
    *,
    ratio: float,
    ridge: float = 0.0,
    start: float = 1.0,
    teacher: float = 1.0,
    nodes: int = 2000,
) -> tuple[Float[Tensor, " t"], Float[Tensor, " t"]]:
    """Return train and test error of the ridge flow on Gaussian inputs as n, d → ∞, d/n = ratio.

    start, teacher: ‖w(0)‖² and ‖w*‖² of directions drawn independently; targets Xw* without noise.
    The eigenvalues of XᵀX/n follow Marchenko & Pastur (1967), and
    test = ∫ [e² ‖w(0)‖² + (e + (1-e)λ/(s+λ))² ‖w*‖²] dμ(s), e = exp(-(s+λ)t); train has another
    factor s. Without ridge and with more weights than examples the test error does not vanish;
    Levi, Beck & Bar-Sinai (2023) show that its lag behind the train error is grokking.
    """
    values, masses = marchenko_pastur(ratio, nodes)
    t = times.double().unsqueeze(1)
    rates = values + ridge
    kept = torch.exp(-rates * t)
    biased = torch.where(rates > 0, ridge / rates.clamp(min=1e-300), 0.0)
    squares = kept.square() * start + (kept - torch.expm1(-rates * t) * biased).square() * teacher
    return (squares * values * masses).sum(1), (squares * masses).sum(1)


def marchenko_pastur(
    ratio: float, nodes: int = 2000
) -> tuple[Float[Tensor, " nodes"], Float[Tensor, " nodes"]]:
    """Return eigenvalues of XᵀX/n and their masses, which sum to 1: a quadrature of the limit law.

    Density √((b-s)(s-a))/(2π·ratio·s) on [a, b] = (1 ∓ √ratio)², and for ratio > 1 the mass
    1 - 1/ratio at 0. With s = 1 + ratio + 2√ratio cos φ the midpoint rule converges exponentially.
    """
    angles = math.pi * (torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes
    radius = 2 * math.sqrt(ratio)
    values = 1 + ratio + radius * angles.cos()
    masses = (radius * angles.sin()).square() / (2 * ratio * values) / nodes
    zero = torch.tensor([max(0.0, 1 - 1 / ratio)], dtype=torch.float64)
    return torch.cat([zero.new_zeros(1), values]), torch.cat([zero, masses])


def share_within(errors: Float[Tensor, " t"], threshold: float) -> Float[Tensor, " t"]:
    """Return the share of examples whose squared error is at most `threshold`, at mean `errors`.

    erf(√(ε/2L)) for Gaussian inputs (Levi, Beck & Bar-Sinai 2023): the accuracy of a regression.
    """
    share: Tensor = torch.special.erf((threshold / (2 * errors)).sqrt())
    return share
