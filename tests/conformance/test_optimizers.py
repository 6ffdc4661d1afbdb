"""Every optimizer takes the steps of its twin in torch.optim."""

import collections
import copy
import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from grokscope.ops.params import layout_of
from grokscope.optim import OPTIMIZERS, Schedule


def svd_muon(matrix):
    """Return what five quintic steps make of a matrix, by its singular values."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    s = s / s.square().sum().sqrt()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return (u * s) @ v


class MuonTwin(torch.optim.AdamW):
    """AdamW, but groups marked `muon` take orthogonalized momentum instead."""

    def __init__(self, groups, c):
        for group in groups:
            hidden = group["name"] in DECAYED and not group["name"].startswith(c.adamw_on)
            group["muon"] = hidden
            group["lr"] = c.lr if hidden else c.adamw_lr
        super().__init__(groups, betas=c.betas, eps=c.eps)
        self.c = c

    def step(self):
        c = self.c
        hidden = [group for group in self.param_groups if group["muon"]]
        with torch.no_grad():
            for group in hidden:
                (p,) = group["params"]
                state = self.state.setdefault(p, {"b": torch.zeros_like(p)})
                state["b"] = c.momentum * state["b"] + (1 - c.momentum) * p.grad
                g = state["b"]
                if c.nesterov:
                    g = c.momentum * state["b"] + (1 - c.momentum) * p.grad
                rows, columns = p.shape
                scale = max(1, rows / columns) ** 0.5
                if c.scale == "match_rms_adamw":
                    scale = 0.2 * max(rows, columns) ** 0.5
                p *= 1 - group["lr"] * group["weight_decay"]
                p -= group["lr"] * scale * svd_muon(g)
                p.grad = None
        super().step()


def base_twin(groups, c):
    """Return the torch.optim twin of what stands behind a filter."""
    return TWINS[c.base](groups, c)


TWINS = {
    "sgd": lambda groups, c: torch.optim.SGD(
        groups, lr=c.lr, momentum=c.momentum, nesterov=getattr(c, "nesterov", False)
    ),
    "adam": lambda groups, c: torch.optim.Adam(groups, lr=c.lr, betas=c.betas, eps=c.eps),
    "adamw": lambda groups, c: torch.optim.AdamW(groups, lr=c.lr, betas=c.betas, eps=c.eps),
    "muon": MuonTwin,
    "grokfast_ema": base_twin,
    "grokfast_ma": base_twin,
    "perpgrad": base_twin,
}


class SlowAverage:
    """Adds to each gradient λ times its moving average, kept by name."""

    def __init__(self, c):
        self.c, self.slow = c, {}

    def __call__(self, name, p):
        a = self.c.alpha
        self.slow[name] = a * self.slow.get(name, p.grad) + (1 - a) * p.grad
        return p.grad + self.c.amplification * self.slow[name]


class SlowWindow:
    """Adds to each gradient λ times the mean of a full queue of gradients."""

    def __init__(self, c):
        self.c, self.queues = c, collections.defaultdict(collections.deque)

    def __call__(self, name, p):
        queue = self.queues[name]
        queue.append(p.grad.clone())
        if len(queue) > self.c.window:
            queue.popleft()
        full = len(queue) == self.c.window
        return p.grad + full * self.c.amplification * sum(queue) / len(queue)


class Perpendicular:
    """Takes from each gradient its projection on the tensor, by an explicit projector."""

    def __init__(self, c):
        self.c = c

    def __call__(self, name, p):
        w, g = p.detach().flatten(), p.grad.flatten()
        unit = w / w.norm()
        rest = g - torch.outer(unit, unit) @ g
        return (rest * (g.norm() / rest.norm() if self.c.rescale else 1.0)).view_as(p)


FILTERS = {"grokfast_ema": SlowAverage, "grokfast_ma": SlowWindow, "perpgrad": Perpendicular}
MOMENTS = [
    {"lr": 1e-2},
    {"lr": 3e-3, "weight_decay": 1.0},
    {"lr": 1e-2, "betas": (0.9, 0.98), "eps": 1e-3, "weight_decay": 0.1},
    {"lr": 1e-2, "betas": (0.0, 0.5), "eps": 1e-6},
    {"lr": 1e-2, "weight_decay": 2.0, "decay_on": "weights"},
    {"lr": 1e-2, "weight_decay": 0.3, "clip_norm": 0.05},
]
FIELDS = {
    "sgd": [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.1},
        {"lr": 0.05, "momentum": 0.9},
        {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.5, "decay_on": "weights"},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "clip_norm": 0.05},
    ],
    "adam": MOMENTS,
    "adamw": MOMENTS,
    "muon": [
        {"lr": 2e-2},
        {"lr": 1e-2, "adamw_lr": 3e-3, "weight_decay": 0.5, "scale": "match_rms_adamw"},
        {"lr": 1e-2, "nesterov": False, "momentum": 0.5, "adamw_on": (), "clip_norm": 0.05},
        {"lr": 1e-2, "adamw_on": ("contract",), "weight_decay": 0.3, "decay_on": "weights"},
    ],
    "grokfast_ema": [
        {"lr": 1e-2, "weight_decay": 0.3},
        {"lr": 1e-2, "base": "adam", "alpha": 0.5, "clip_norm": 0.05},
        {"lr": 2e-2, "base": "sgd", "momentum": 0.5, "amplification": 5.0, "weight_decay": 0.1},
    ],
    "grokfast_ma": [
        {"lr": 1e-2, "window": 7, "weight_decay": 0.3, "decay_on": "weights"},
        {"lr": 1e-2, "base": "sgd", "window": 1},
        {"lr": 1e-2, "base": "adam", "window": 60},
    ],
    "perpgrad": [
        {"lr": 1e-2, "weight_decay": 0.3},
        {"lr": 2e-2, "base": "sgd", "momentum": 0.5, "weight_decay": 0.1, "clip_norm": 0.05},
        {"lr": 1e-2, "base": "adam", "rescale": False},
    ],
}
SCHEDULES = [
    Schedule(),
    Schedule(warmup_steps=7),
    Schedule(shape="cosine", cosine_steps=40, floor=0.1, warmup_steps=10),
]
CASES = [OPTIMIZERS[kind](**fields) for kind in OPTIMIZERS for fields in FIELDS.get(kind, [{}])]


def factor(schedule, step):
    """Return the factor on the rate of a step, written down once more."""
    if step < schedule.warmup_steps:
        return step / schedule.warmup_steps
    if schedule.shape == "constant":
        return 1.0
    done = (step - schedule.warmup_steps) / (schedule.cosine_steps - schedule.warmup_steps)
    if done >= 1:
        return schedule.floor
    return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * done))


class Curved(nn.Module):
    """A small network with a tensor of every role."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(6, 4)
        self.expand = nn.Linear(4, 5)
        self.norm = nn.LayerNorm(5)
        self.contract = nn.Linear(5, 3)

    def forward(self, symbols):
        return self.contract(torch.tanh(self.norm(self.expand(self.embed(symbols)))))


SYMBOLS = torch.tensor([0, 1, 2, 3, 4, 5, 0])
TARGETS = torch.tensor([0, 1, 2, 2, 1, 0, 1])
DECAYED = {"expand.weight", "contract.weight"}


@pytest.fixture
def problem():
    module = Curved().double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(0.7 * noise)
    return module, layout_of(module)


def loss_of(module):
    return nn.functional.cross_entropy(module(SYMBOLS), TARGETS)


def gradient_at(module, layout, flat):
    leaf = flat.detach().clone().requires_grad_()
    logits = functional_call(module, layout.split(leaf), (SYMBOLS,))
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, TARGETS), leaf)
    return gradient


def path(config, schedule, module, layout, steps):
    """Return the parameters after each step of our optimizer."""
    transform = config.transform(layout, schedule)
    flat = layout.join(dict(module.named_parameters())).detach().clone()
    state, visited = transform.init(flat), []
    for step in range(steps):
        change, state = transform.update(gradient_at(module, layout, flat), state, flat, step)
        flat = flat + change
        visited.append(flat)
    return visited


def twin_path(config, schedule, module, layout, steps):
    """Return the parameters after each step of torch's optimizer."""
    if config.kind not in TWINS:
        pytest.fail(
            f"the optimizer {config.kind!r} has no twin in this test: give it a torch.optim twin "
            "in TWINS, or another independent implementation"
        )
    twin = copy.deepcopy(module)
    named = dict(twin.named_parameters())
    everything = config.decay_on == "all"
    groups = [
        {
            "name": n,
            "params": [p],
            "weight_decay": config.weight_decay if everything or n in DECAYED else 0.0,
        }
        for n, p in named.items()
    ]
    optimizer = TWINS[config.kind](groups, config)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(schedule, step))
    filtered = FILTERS[config.kind](config) if config.kind in FILTERS else lambda name, p: p.grad
    visited = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(twin).backward()
        for name, p in named.items():
            p.grad = filtered(name, p)
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(twin.parameters(), config.clip_norm)
        optimizer.step()
        scheduler.step()
        visited.append(layout.join(named).detach().clone())
    return visited


def test_every_kind_is_covered():
    assert {config.kind for config in CASES} == set(OPTIMIZERS)
    assert len(OPTIMIZERS) >= 3


@pytest.mark.parametrize("config", CASES, ids=str)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=["constant", "warm-up", "cosine"])
def test_fifty_steps_are_those_of_the_twin(config, schedule, problem):
    module, layout = problem
    ours, theirs = (f(config, schedule, module, layout, 50) for f in (path, twin_path))
    for step, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert torch.linalg.norm(mine - other) <= 1e-7 * torch.linalg.norm(other), step
    start = layout.join(dict(module.named_parameters())).detach()
    assert torch.linalg.norm(ours[-1] - start) > 1e-2


@pytest.mark.parametrize("config", CASES, ids=str)
def test_an_update_leaves_its_inputs_alone(config, problem):
    module, layout = problem
    config = dataclasses.replace(config, decay_to="initial", weight_decay=0.5)
    transform = config.transform(layout, Schedule())
    flat = layout.join(dict(module.named_parameters())).detach().clone()
    state = transform.init(flat)
    for step in range(3):
        gradient = gradient_at(module, layout, flat)
        inputs = {"gradient": gradient, "params": flat, **state}
        before = {name: x.clone() for name, x in inputs.items()}
        change, after = transform.update(gradient, state, flat, step)
        again, _ = transform.update(gradient, state, flat, step)
        assert all(torch.equal(x, before[name]) for name, x in inputs.items())
        assert torch.equal(change, again)
        assert set(after) == set(state)
        flat, state = flat + change, after


@pytest.mark.parametrize("config", CASES, ids=str)
def test_runs_mapped_together_are_the_runs_alone(config, problem):
    module, layout = problem
    rates, decays = [1e-3, 1e-2, 5e-2], [0.0, 0.3, 1.0]
    schedule = SCHEDULES[2]
    alone = [
        path(dataclasses.replace(config, lr=r, weight_decay=d), schedule, module, layout, 12)[-1]
        for r, d in zip(rates, decays, strict=True)
    ]

    def transform(lr, weight_decay):
        mapped = dataclasses.replace(config, lr=lr, weight_decay=weight_decay)
        return mapped.transform(layout, schedule)

    values = [torch.tensor(x, dtype=torch.float64) for x in (rates, decays)]
    start = layout.join(dict(module.named_parameters())).detach()
    flats = start.repeat(3, 1)
    state = vmap(config.transform(layout, schedule).init)(flats)
    for step in range(12):
        gradients = torch.stack([gradient_at(module, layout, flat) for flat in flats])
        changes, state = vmap(
            lambda g, s, p, lr, decay, step=step: transform(lr, decay).update(g, s, p, step)
        )(gradients, state, flats, *values)
        flats = flats + changes
    for flat, expected in zip(flats, alone, strict=True):
        assert torch.linalg.norm(flat - expected) <= 1e-12 * torch.linalg.norm(expected)


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_without_a_gradient_only_what_decays_moves(kind, problem):
    module, layout = problem
    config = OPTIMIZERS[kind](lr=1e-2, weight_decay=0.5, decay_on="weights")
    transform = config.transform(layout, Schedule())
    flat = layout.join(dict(module.named_parameters())).detach()
    change, _ = transform.update(torch.zeros_like(flat), transform.init(flat), flat, 0)
    for name, part in layout.split(change).items():
        if name in DECAYED:
            assert torch.all(part * layout.split(flat)[name] < 0), name
        else:
            assert torch.all(part == 0), name


# Holds where parameters enter an update through decay alone; perpgrad projects on them.
@pytest.mark.parametrize("kind", sorted(set(TWINS) - {"perpgrad"}))
def test_decay_to_the_initial_point_is_decay_of_the_distance_to_it(kind, problem):
    module, layout = problem
    config = OPTIMIZERS[kind](lr=1e-2, weight_decay=0.4, decay_to="initial")
    transform = config.transform(layout, Schedule())
    zero = dataclasses.replace(config, decay_to="zero").transform(layout, Schedule())
    start = layout.join(dict(module.named_parameters())).detach()
    flat, distance = start.clone(), torch.zeros_like(start)
    state, zero_state = transform.init(start), zero.init(distance)
    for step in range(10):
        gradient = gradient_at(module, layout, flat)
        change, state = transform.update(gradient, state, flat, step)
        expected, zero_state = zero.update(gradient, zero_state, distance, step)
        assert torch.allclose(change, expected, rtol=1e-9, atol=1e-15)
        flat = flat + change
        distance = flat - start
    assert torch.equal(state["initial"], start)


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS))
def test_an_update_keeps_the_dtype_of_the_parameters(kind, problem):
    module, layout = problem
    config = OPTIMIZERS[kind](weight_decay=0.1, clip_norm=1.0, decay_on="weights")
    transform = config.transform(layout, Schedule())
    flat = layout.join(dict(module.named_parameters())).detach().float()
    change, state = transform.update(flat, transform.init(flat), flat, 0)
    assert change.dtype == torch.float32
    assert all(x.dtype == torch.float32 for x in state.values())
