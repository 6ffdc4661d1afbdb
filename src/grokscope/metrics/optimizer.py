"""What Adam does to the gradient, and decay to the weights (Q5)."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.base import metric
from grokscope.optim import Schedule
from grokscope.optim.adam import Moments
from grokscope.optim.base import Decayed
from grokscope.snapshot import Snapshot

GROUP = "Optimizer Dynamics"
SOURCE = "Kingma & Ba 2015, arXiv:1412.6980; measures: optimizer"


def moments_of(
    snapshot: Snapshot,
) -> tuple[Moments, Float[Tensor, " size"], Float[Tensor, " size"]]:
    """Return the rule, m̂ and √v̂ of the next update, corrected as it corrects them, float64.

    The next update is the one that takes the gradient of this step. Raises ScienceError for an
    optimizer without a second moment of every parameter.
    """
    _, state = snapshot.next_update
    rule = snapshot.rule
    square = state.get("exp_avg_sq")
    if not isinstance(rule, Moments) or square is None or len(square) != len(snapshot.params):
        raise ScienceError(
            "this optimizer keeps no second moment of every parameter: it needs adam or adamw"
        )
    count = snapshot.step + 1
    mean = state["exp_avg"].double() / (1 - rule.betas[0] ** count)
    return rule, mean, (square.double() / (1 - rule.betas[1] ** count)).sqrt()


def rates_of(snapshot: Snapshot) -> Float[Tensor, " size"]:
    """Return the rate η of the step for each parameter, float64: gates may have their own."""
    rule = snapshot.rule
    if not isinstance(rule, Decayed):
        raise ScienceError("this optimizer has no learning rate lr")
    rate = rule.lr * snapshot.schedule.factor(snapshot.step)
    rates = torch.full_like(snapshot.params, rate, dtype=torch.float64)
    if "gates" in snapshot.optimizer:
        rates = rates * (1 + (rule.gate_lr_factor - 1) * snapshot.optimizer["gates"].double())
    return rates


@metric(label="RMS of gradients", group=GROUP, scale="log", source=SOURCE)
def gradient_rms(snapshot: Snapshot) -> Tensor:
    """√(mean v̂) over all parameters: the root mean square of the gradients Adam remembers."""
    _, _, root = moments_of(snapshot)
    return root.square().mean().sqrt()


@metric(label="Effective step size", group=GROUP, scale="log", source=SOURCE)
def effective_step(snapshot: Snapshot) -> dict[str, Tensor]:
    """Median over parameters of η/(√v̂ + ε), η the rate of the step; `.low` and `.high` hold 80 %.

    Quantiles, for a parameter that never sees a gradient has η/ε, which no mean survives.
    """
    rule, _, root = moments_of(snapshot)
    steps = rates_of(snapshot) / (root + rule.eps)
    last = len(steps) - 1
    low, high = (steps.kthvalue(1 + round(q * last)).values for q in (0.1, 0.9))
    return {
        "effective_step": steps.median(),
        "effective_step.low": low,
        "effective_step.high": high,
    }


@metric(label="Signal-to-noise |m̂|/(√v̂ + ε)", group=GROUP, scale="log", source=SOURCE)
def signal_to_noise(snapshot: Snapshot) -> Tensor:
    """Mean over parameters of |m̂|/(√v̂ + ε): near 1 where gradients agree from step to step."""
    rule, mean, root = moments_of(snapshot)
    return (mean.abs() / (root + rule.eps)).mean()


@metric(label="Update over decay", group=GROUP, scale="log", source="measures: optimizer")
def update_to_decay(snapshot: Snapshot) -> Tensor:
    """‖gradient part‖/‖decay part‖ of the next update, over the parameters that decay.

    Both parts are taken from the update itself: with decay, less the same without. The factor of
    the schedule cancels. Raises ScienceError where nothing decays, or where decay passes through
    moments or momentum, so that an update has no part of its own for it.
    """
    rule, constant = snapshot.rule, Schedule()
    if not isinstance(rule, Decayed) or not rule.decays_apart:
        raise ScienceError(
            "this optimizer mixes decay into its moments or momentum: it needs adamw"
        )
    if not rule.weight_decay:
        raise ScienceError("optimizer.weight_decay: is 0, so nothing decays")
    whole, state = snapshot.update_by(rule, constant)
    bare, _ = snapshot.update_by(replace(rule, weight_decay=0.0), constant)
    decayed = torch.ones_like(bare, dtype=torch.bool)
    if "decayed" in state:
        decayed = state["decayed"] > 0
    if "decayed_gates" in state and rule.gate_decay_factor:
        decayed = decayed | (state["decayed_gates"] > 0)
    parts = (bare.double()[decayed], (whole.double() - bare.double())[decayed])
    update, decay = (torch.linalg.vector_norm(part) for part in parts)
    ratio: Tensor = update / decay
    return ratio
