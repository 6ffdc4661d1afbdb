"""Gates have a rate and a decay of their own: torch's parameter groups are the oracle."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from grokscope.config import decode
from grokscope.engine import train
from grokscope.ops.params import layout_of
from grokscope.optim import OPTIMIZERS, Schedule

TWINS = {
    "adamw": lambda groups, c: torch.optim.AdamW(groups, betas=c.betas, eps=c.eps),
    "adam": lambda groups, c: torch.optim.Adam(groups, betas=c.betas, eps=c.eps),
    "sgd": lambda groups, c: torch.optim.SGD(groups, momentum=c.momentum),
}
FIELDS = [
    {"gate_lr_factor": 5.0, "gate_decay_factor": 0.0},
    {"gate_lr_factor": 0.1, "gate_decay_factor": 1.0},
    {"gate_lr_factor": 2.0, "gate_decay_factor": 3.0, "decay_on": "weights"},
    {"gate_lr_factor": 2.0, "gate_decay_factor": 0.5, "clip_norm": 0.05},
]
X = torch.linspace(-1, 1, 12, dtype=torch.float64).view(4, 3)


class Small(nn.Module):
    """A gate, a weight and a bias."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.logit = nn.Parameter(torch.tensor(0.3))
        self.roles = {"logit": ("gate", 0)}

    def forward(self, x):
        return torch.sigmoid(self.logit) * torch.tanh(self.linear(x))


def small():
    module = Small().double()
    with torch.no_grad():
        module.linear.weight.copy_(torch.linspace(-1, 1, 6).view(2, 3))
        module.linear.bias.copy_(torch.tensor([0.4, -0.2]))
    return module, layout_of(module)


def gradient_at(module, layout, flat):
    leaf = flat.detach().clone().requires_grad_()
    loss = functional_call(module, layout.split(leaf), (X,)).square().sum()
    return torch.autograd.grad(loss, leaf)[0]


def ours(config, steps):
    module, layout = small()
    transform = config.transform(layout, Schedule())
    flat = layout.join(dict(module.named_parameters())).detach().clone()
    state = transform.init(flat)
    for step in range(steps):
        change, state = transform.update(gradient_at(module, layout, flat), state, flat, step)
        flat = flat + change
    return flat


def theirs(config, steps):
    module, layout = small()
    bias_decay = 0.0 if config.decay_on == "weights" else config.weight_decay
    gate_decay = config.weight_decay * config.gate_decay_factor
    groups = [
        {"params": [module.linear.weight], "lr": config.lr, "weight_decay": config.weight_decay},
        {"params": [module.linear.bias], "lr": config.lr, "weight_decay": bias_decay},
        {
            "params": [module.logit],
            "lr": config.lr * config.gate_lr_factor,
            "weight_decay": gate_decay,
        },
    ]
    optimizer = TWINS[config.kind](groups, config)
    for _ in range(steps):
        optimizer.zero_grad()
        module(X).square().sum().backward()
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(module.parameters(), config.clip_norm)
        optimizer.step()
    return layout.join(dict(module.named_parameters())).detach()


@pytest.mark.parametrize("kind", sorted(TWINS))
@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_fifty_steps_are_those_of_groups_of_parameters(kind, fields):
    config = OPTIMIZERS[kind](lr=1e-2, weight_decay=0.3, **fields)
    found, expected = ours(config, 50), theirs(config, 50)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-12)
    neither = dataclasses.replace(config, gate_lr_factor=1.0, gate_decay_factor=0.0)
    assert abs(ours(neither, 50)[0] - found[0]) > 1e-4


def change_of(config):
    """Return the first change of a network with a gate, by name."""
    module, layout = small()
    transform = config.transform(layout, Schedule())
    flat = layout.join(dict(module.named_parameters())).detach()
    gradient = gradient_at(module, layout, flat)
    return layout.split(transform.update(gradient, transform.init(flat), flat, 0)[0])


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_every_optimizer_gives_gates_their_own_rate(kind):
    one = change_of(OPTIMIZERS[kind](lr=1e-2, weight_decay=0.3))
    four = change_of(OPTIMIZERS[kind](lr=1e-2, weight_decay=0.3, gate_lr_factor=4.0))
    for name, change in one.items():
        factor = 4.0 if name == "logit" else 1.0
        assert torch.allclose(four[name], factor * change, rtol=1e-12), name
        assert change.abs().max() > 0, name


@pytest.mark.parametrize("decay_on", ["all", "weights"])
@pytest.mark.parametrize("decay_to", ["zero", "initial"])
def test_by_default_gates_do_not_decay(decay_on, decay_to):
    module, layout = small()
    flat = layout.join(dict(module.named_parameters())).detach()
    for factor, moves in ((0.0, False), (1.0, True)):
        config = OPTIMIZERS["adamw"](
            weight_decay=1.0, decay_on=decay_on, decay_to=decay_to, gate_decay_factor=factor
        )
        transform = config.transform(layout, Schedule())
        state = transform.init(flat)
        change, _ = transform.update(torch.zeros_like(flat), state, flat + 1.5, 0)
        parts = layout.split(change)
        assert bool(parts["logit"] != 0) == moves
        assert bool((parts["linear.bias"] != 0).all()) == (decay_on == "all")
        assert (parts["linear.weight"] != 0).all()
    assert OPTIMIZERS["adamw"]().gate_decay_factor == 0.0


def test_a_network_without_gates_has_the_state_it_had():
    layout = layout_of(nn.Linear(3, 2))
    flat = torch.zeros(layout.size)
    config = OPTIMIZERS["adamw"](weight_decay=1.0, gate_lr_factor=3.0, gate_decay_factor=2.0)
    assert set(config.transform(layout, Schedule()).init(flat)) == {"exp_avg", "exp_avg_sq"}


def test_runs_with_their_own_rates_and_decays_of_gates_can_be_mapped_together():
    module, layout = small()
    flat = layout.join(dict(module.named_parameters())).detach()
    config = OPTIMIZERS["adamw"](lr=1e-2, weight_decay=0.5)
    values = torch.tensor([[0.5, 0.0], [1.0, 1.0], [7.0, 2.0]], dtype=torch.float64)
    flats = flat.repeat(3, 1)
    state = vmap(config.transform(layout, Schedule()).init)(flats)

    def update(gradient, state, params, value):
        own = dataclasses.replace(config, gate_lr_factor=value[0], gate_decay_factor=value[1])
        return own.transform(layout, Schedule()).update(gradient, state, params, 0)

    gradients = torch.stack([gradient_at(module, layout, flat) for flat in flats])
    changes, _ = vmap(update)(gradients, state, flats, values)
    for change, (rate, decay) in zip(changes, values.tolist(), strict=True):
        own = dataclasses.replace(config, gate_lr_factor=rate, gate_decay_factor=decay)
        assert torch.allclose(flat + change, ours(own, 1), rtol=1e-12)


def test_a_batched_cohort_equals_the_loop_with_rates_of_gates_by_run():
    def config(factor, start):
        return decode(
            {
                "steps": 8,
                "task": {"kind": "modular", "p": 5},
                "data": {"train_fraction": 0.5},
                "model": {"kind": "gated", "width": 6, "d_hidden": 5, "initial_gate": start},
                "optimizer": {"kind": "adamw", "weight_decay": 0.5, "gate_lr_factor": factor},
                "penalties": [{"kind": "gate_cost", "weight": 0.1}],
                "precision": {"parameters": "float64"},
            }
        )

    configs = [config(1.0, 1.0), config(20.0, 0.5), config(0.1, 0.7)]
    ends = {}
    for mapped in ("loop", "batch"):
        for record in train(configs, mapped=mapped):
            if hasattr(record, "state"):
                ends[mapped, record.member] = record.state.params
    for number in range(3):
        looped, batched = ends["loop", number], ends["batch", number]
        assert torch.allclose(looped, batched, rtol=1e-9, atol=1e-12)
