"""What is known of a run at the moment its objective stops being a finite number."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from grokscope.engine.member import Member
from grokscope.optim.base import Decayed

ADVICE = (
    "take a smaller optimizer.lr",
    "bound the gradient: optimizer.clip_norm=1",
    "begin slowly: schedule.warmup_steps=10",
    "take a smaller model.init.scale",
)


def diagnose(member: Member, known: Mapping[str, Tensor], value: float) -> dict[str, Any]:
    """Return the step, the first tensor that is not finite, norms and rate of a diverged run.

    Parameters are looked at first, then the state of the optimizer, then the gradient: a bad
    gradient of finite parameters is where it began, bad parameters are where an update led.
    """
    layout = member.problem.layout
    tensors = {f"parameter {name}": x for name, x in layout.split(member.params).items()}
    tensors |= {f"optimizer {name}": x for name, x in member.optimizer.items()}
    if "gradient" in known:
        parts = layout.split(known["gradient"])
        tensors |= {f"gradient {name}": x for name, x in parts.items()}
    bad = [name for name, x in tensors.items() if not bool(torch.isfinite(x).all())]
    optimizer = member.config.optimizer
    lr = optimizer.lr if isinstance(optimizer, Decayed) else float("nan")
    return {
        "version": 1,
        "step": member.step,
        "objective": _told(value),
        "first_bad": bad[0] if bad else "the logits or the loss, of finite parameters",
        "bad": bad,
        "lr": lr * member.config.schedule.factor(member.step),
        "norms": {
            name: _told(float(torch.linalg.vector_norm(x.double()))) for name, x in tensors.items()
        },
        "try": list(ADVICE),
    }


def _told(value: float) -> float | str:
    """Return a number, or its name where JSON has none: `nan`, `inf`."""
    return value if math.isfinite(value) else str(value)
