"""Measures that may tell of grokking beforehand, against slow and obvious versions in float64."""

import itertools
import math

import numpy as np
import pytest
import torch

from grokscope.errors import ScienceError
from grokscope.metrics import METRICS, measure
from grokscope.metrics import commutator as commutator_module
from grokscope.metrics.clock import irrelevance, triples
from grokscope.metrics.commutator import defect
from grokscope.models import replace
from grokscope.models.linear import Linear
from grokscope.models.mlp import MLP
from grokscope.models.transformer import Transformer
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.objectives.l2 import L2
from grokscope.objectives.mse import MSE
from grokscope.problem import Examples, Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular
from grokscope.tasks.parity import Parity

P = 7


def snapshot_of(model=None, *, task=None, objective=None, given=None, dtype=torch.float64):
    problem, flat = Problem.build(
        task=task or Modular(p=P),
        data=Data(train_fraction=0.5),
        model=model or MLP(width=6),
        objective=objective or Objective(CrossEntropy()),
        seed=2,
        dtype=dtype,
    )
    return Snapshot(problem, flat, given=given)


def value(snapshot, name):
    return measure(snapshot, [METRICS[name]])[name]


def wave(k, m):
    """Return cos 2π(ka + mb)/p over all pairs as one logit beside zeros, [p², p]."""
    logits = torch.zeros(P * P, P, dtype=torch.float64)
    for a, b in itertools.product(range(P), repeat=2):
        logits[a * P + b, 0] = math.cos(2 * math.pi * (k * a + m * b) / P)
    return logits


@pytest.mark.parametrize(
    ("modes", "share"),
    [([(1, 0)], 1), ([(1, 1)], 1), ([(2, 1)], 0), ([(0, 3)], 0), ([(1, 6), (3, 0)], 0.5)],
)
def test_smoothness_is_the_share_of_the_smooth_waves(modes, share):
    # p = 7: wave numbers up to int(½·3) = 1 are smooth; 6 is 1.
    logits = 5.0 + sum(wave(k, m) for k, m in modes)
    found = value(snapshot_of(given={"all_logits": logits}), "spectral_smoothness")
    assert found == pytest.approx(share, abs=1e-12)


def test_smoothness_of_noise_is_that_of_a_sum_over_waves():
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(P * P, P)))
    grid = logits.numpy().reshape(P, P, P)
    smooth = total = 0.0
    a = np.arange(P)
    for k, m in itertools.product(range(P), repeat=2):
        phases = np.exp(-2j * np.pi * (k * a[:, None] + m * a[None, :]) / P)
        energy = float((np.abs((grid * phases[..., None]).sum((0, 1))) ** 2).sum())
        total += energy if (k, m) != (0, 0) else 0
        near = max(min(k, P - k), min(m, P - m)) <= 1
        smooth += energy if near and (k, m) != (0, 0) else 0
    found = value(snapshot_of(given={"all_logits": logits}), "spectral_smoothness")
    assert found == pytest.approx(smooth / total, rel=1e-10)


@pytest.mark.parametrize("name", ["spectral_smoothness", "distance_irrelevance"])
@pytest.mark.parametrize(
    "task", [Modular(p=P, pairs="unordered"), Modular(p=P, operation="divide")]
)
def test_a_task_without_all_pairs_has_no_torus(name, task):
    with pytest.raises(ScienceError, match=r"^this task has no .*needs all 49 ordered pairs"):
        METRICS[name].function(snapshot_of(task=task))


def test_sparsity_counts_what_is_small_against_its_tensor():
    snapshot = snapshot_of(MLP(width=6))
    snapshot.tensors["first.weight"][0, :5] = 1e-9
    count = 0
    for x in snapshot.tensors.values():  # the biases are all 0 and count whole
        values = x.flatten().tolist()
        rms = math.sqrt(sum(v * v for v in values) / len(values))
        count += sum(abs(v) <= rms / 10 for v in values)
    assert count > 5 + 6
    expected = pytest.approx(count / len(snapshot.params), abs=1e-12)
    assert value(snapshot, "parameter_sparsity") == expected


@pytest.mark.parametrize(
    ("dtype", "others", "below", "above"),
    [
        (torch.float32, 1, 16.6, 16.7),
        (torch.float32, 112, 18.5, 21.4),
        (torch.float64, 1, 36.7, 36.8),
        (torch.float64, 112, 38.5, 41.5),
    ],
)
def test_the_softmax_collapses_where_the_gap_says(dtype, others, below, above):
    gaps = torch.tensor([below, above, 5.0, 100.0], dtype=torch.float64)
    logits = torch.cat([gaps.unsqueeze(1), torch.zeros(4, others, dtype=torch.float64)], dim=1)
    objective = Objective(CrossEntropy(), dtype=dtype)
    snapshot = snapshot_of(objective=objective, given={"train_logits": logits})
    assert value(snapshot, "softmax_collapse") == 0.5


@pytest.mark.parametrize("penalties", [(), (L2(weight=0.7),)])
def test_alignment_is_the_slope_of_the_loss_as_the_network_is_scaled(penalties):
    snapshot = snapshot_of(objective=Objective(CrossEntropy(), penalties))
    problem, flat = snapshot.problem, snapshot.params
    flat += 0.1
    losses, slopes = [], []
    start, step = flat.clone(), 1e-5

    def loss_at(point):
        flat.copy_(point)
        logits = problem.network(problem.train.prepared).detach()
        return float(torch.nn.functional.cross_entropy(logits, problem.train.targets))

    losses = [loss_at(start * (1 + sign * step)) for sign in (1, -1)]
    for i in range(len(start)):
        sides = []
        for sign in (1, -1):
            point = start.clone()
            point[i] += sign * step
            sides.append(loss_at(point))
        slopes.append((sides[0] - sides[1]) / (2 * step))
    flat.copy_(start)
    radial = (losses[0] - losses[1]) / (2 * step)
    expected = -radial / (np.linalg.norm(slopes) * float(start.norm()))
    assert value(snapshot, "gradient_alignment") == pytest.approx(expected, rel=1e-6)


def quadratic():
    """Return a snapshot whose loss is exactly quadratic: a linear map under squared error."""
    return snapshot_of(Linear(), objective=Objective(MSE()))


def derivatives(snapshot, examples):
    """Return gradient and Hessian of the loss on some examples, by double differentiation."""
    problem = snapshot.problem

    def loss(flat):
        named = problem.layout.split(flat)
        logits = torch.func.functional_call(problem.network, named, (examples.prepared,))
        return problem.objective.task_loss(logits, examples.targets)

    flat = snapshot.params.clone()
    return torch.func.grad(loss)(flat), torch.func.hessian(loss)(flat)


def test_the_commutator_of_a_quadratic_is_that_of_its_hessians():
    snapshot = quadratic()
    problem, train = snapshot.problem, snapshot.problem.train
    halves = [
        Examples.of(problem.network, train.inputs[rows], train.targets[rows])
        for rows in (slice(0, 7), slice(9, 20))
    ]
    (g_a, h_a), (g_b, h_b) = (derivatives(snapshot, half) for half in halves)
    expected = (h_b @ g_a - h_a @ g_b).norm() / (g_a.norm() * g_b.norm())
    assert float(expected) > 1e-3
    assert float(defect(snapshot, *halves)) == pytest.approx(float(expected), rel=1e-8)


def test_the_commutator_is_the_median_of_pairs_that_share_no_example(monkeypatch):
    snapshot = quadratic()
    seen = []

    def keep(snapshot, first, second):
        seen.append((first.inputs.tolist(), second.inputs.tolist()))
        return defect(snapshot, first, second)

    monkeypatch.setattr(commutator_module, "defect", keep)
    found = value(snapshot, "commutator_defect")
    each = []
    for first, second in seen:
        assert len(first) == len(second) == 12
        assert not {tuple(x) for x in first} & {tuple(x) for x in second}
        rows = [torch.tensor(x) for x in (first, second)]
        targets = [(x[:, 0] + x[:, 1]) % P for x in rows]
        pair = [
            Examples.of(snapshot.problem.network, x, y) for x, y in zip(rows, targets, strict=True)
        ]
        (g_a, h_a), (g_b, h_b) = (derivatives(snapshot, part) for part in pair)
        each.append(float((h_b @ g_a - h_a @ g_b).norm() / (g_a.norm() * g_b.norm())))
    assert len(each) == len(set(each)) == 9
    assert found == pytest.approx(sorted(each)[4], rel=1e-8)


def test_clock_and_pizza_differ_in_what_distance_does():
    w = 2 * math.pi * 2 / 11
    a = torch.arange(11, dtype=torch.float64)
    clock = torch.ones(11, 11, dtype=torch.float64)
    clock += 0.1 * torch.cos(w * (a[:, None] + a[None, :]))
    pizza = torch.cos(w * (a[:, None] - a[None, :]) / 2).abs()
    assert float(irrelevance(pizza)) == pytest.approx(0, abs=1e-12)
    assert float(irrelevance(clock)) == pytest.approx(1, abs=1e-12)
    assert math.isnan(float(irrelevance(torch.ones(11, 11, dtype=torch.float64))))


def test_distance_irrelevance_of_noise_is_that_of_a_loop():
    logits = np.random.default_rng(1).normal(size=(P * P, P))
    right = np.array([[logits[a * P + b, (a + b) % P] for b in range(P)] for a in range(P)])
    spread = [np.std([right[i, (i + d) % P] for i in range(P)]) for d in range(P)]
    snapshot = snapshot_of(given={"all_logits": torch.from_numpy(logits)})
    expected = pytest.approx(np.mean(spread) / np.std(right), rel=1e-12)
    assert value(snapshot, "distance_irrelevance") == expected


def test_gradient_symmetricity_is_that_of_a_loop_overtriples():
    snapshot = snapshot_of(Transformer(d_model=8, num_heads=2, d_mlp=12))
    network = snapshot.problem.network
    embed, place = network.embed.weight.detach(), network.position.weight.detach()
    cosines = {}
    for a, b in itertools.product(range(P), repeat=2):
        x = (embed[torch.tensor([a, b, P])] + place).unsqueeze(0).requires_grad_()
        with replace(network, {"embeddings": lambda activation, x=x: x}):
            inputs = network.prepare(torch.tensor([[a, b, P]]), share=False)
            logits = network(inputs)[0]
        for c in range(P):
            (gradient,) = torch.autograd.grad(logits[c], x, retain_graph=True)
            u, v = gradient[0, 0], gradient[0, 1]
            cosines[a, b, c] = float(u @ v / (u.norm() * v.norm()))
    rows, classes = triples(snapshot)
    assert len(set(zip(rows.tolist(), classes.tolist(), strict=True))) > 300
    chosen = [
        cosines[(*divmod(row, P), c)]
        for row, c in zip(rows.tolist(), classes.tolist(), strict=True)
    ]
    expected = pytest.approx(np.mean(chosen), rel=1e-9)
    assert value(snapshot, "gradient_symmetricity") == expected


def test_a_network_that_attends_alike_is_a_pizza():
    """With queries 0 attention is uniform, so both operands enter alike: cosine 1."""
    snapshot = snapshot_of(Transformer(d_model=8, num_heads=2, d_mlp=12))
    for name, x in snapshot.tensors.items():
        if "query" in name:
            x.zero_()
    assert value(snapshot, "gradient_symmetricity") == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("bend", "share"), [(0.0, 1.0), (0.05, 0.0)])
def test_parallelograms_of_a_line_close_and_those_of_a_parabola_do_not(bend, share):
    snapshot = snapshot_of(MLP(width=6))
    x = torch.arange(P, dtype=torch.float64)
    slope = torch.linspace(1, 2, 6, dtype=torch.float64)
    table = torch.outer(slope, x) + 3 + bend * torch.outer(slope.flip(0), x**2)
    snapshot.tensors["first.weight"][:, :P] = table
    found = measure(snapshot, [METRICS["representation_quality"]])
    columns = table.t().numpy() - table.t().numpy().mean(0)
    columns /= math.sqrt((columns**2).sum(1).mean())
    gaps = [
        np.linalg.norm(columns[i] + columns[j] - columns[m] - columns[n])
        for i, j, m, n in itertools.product(range(P), repeat=4)
        if i + j == m + n and i <= j and m <= n and i < m
    ]
    assert found["representation_quality"] == pytest.approx(share, abs=0.02)
    assert found["parallelogram_gap"] == pytest.approx(np.mean(gaps), rel=1e-10, abs=1e-12)
    closed = np.mean(np.array(gaps) <= 0.01)
    assert found["representation_quality"] == pytest.approx(closed, abs=1e-12)


def test_a_network_without_symbols_has_no_parallelograms():
    snapshot = snapshot_of(Linear(), task=Parity(n=6, k=2, examples=None))
    with pytest.raises(ScienceError, match=r"^this network has neither embed\.weight nor"):
        METRICS["representation_quality"].function(snapshot)
