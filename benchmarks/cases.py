"""What is compared: a configuration and the same network in plain PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import reference
import torch

ADAMW = {"kind": "adamw", "lr": 1e-3, "weight_decay": 1.0, "betas": [0.9, 0.98]}
NANDA = {"kind": "transformer", "init": {"scheme": "width_normal"}}
ATTENTION = {**NANDA, "d_model": 32, "d_mlp": 0, "causal": False}
DECODER = {"kind": "transformer", "num_layers": 2, "norm": "pre", "activation": "gelu"}
DECODER |= {"attention_biases": True}


@dataclass(frozen=True)
class Case:
    """One comparison: p, fraction, the model as configured and as plain network."""

    label: str
    p: int
    fraction: float
    model: dict[str, Any]
    network: Callable[[], torch.nn.Module]

    def config(self) -> dict[str, Any]:
        """Return the configuration as a tree."""
        return {
            "name": "bench",
            "task": {"kind": "modular", "p": self.p},
            "data": {"train_fraction": self.fraction},
            "model": self.model,
            "optimizer": ADAMW,
        }

    def reference(self) -> Callable[[], float]:
        """Return one step of the plain loop on as many random pairs."""
        tokens, targets = reference.addition(self.p, self.fraction)
        return reference.stepper(self.network(), tokens, targets, lr=1e-3, weight_decay=1.0)


def nanda(p: int) -> Case:
    """Return the classic network at a modulus."""
    return Case(
        f"nanda-{p}",
        p,
        0.3,
        NANDA,
        lambda: reference.HookedTransformer(p, 128, 4, 512, causal=True),
    )


CASES = {
    "a": nanda(113),
    "b": Case(
        "2-layer pre-norm transformer, p = 97, 40 %",
        97,
        0.4,
        DECODER,
        lambda: reference.Decoder(97, 128, 4, 512, 2),
    ),
    "c": Case(
        "mlp-113",
        113,
        0.4,
        {"kind": "mlp", "width": 512},
        lambda: reference.Perceptron(113, 512),
    ),
    "d": Case(
        "attention-only-113",
        113,
        0.3,
        ATTENTION,
        lambda: reference.HookedTransformer(113, 32, 4, 0, causal=False),
    ),
    **{f"f{p}": nanda(p) for p in (29, 59, 113, 199, 307)},
}
