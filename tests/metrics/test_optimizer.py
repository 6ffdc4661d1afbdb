"""One step of Adam by hand, in float64."""

import math

import numpy as np
import pytest
import torch

import grokscope
from grokscope.errors import ScienceError
from grokscope.metrics import METRICS, measure
from grokscope.metrics.optimizer import rates_of
from grokscope.models.gated import Gated
from grokscope.models.mlp import MLP
from grokscope.objectives import Objective
from grokscope.objectives.cross_entropy import CrossEntropy
from grokscope.optim import Schedule
from grokscope.optim.adam import Adam, AdamW
from grokscope.optim.grokfast import GrokfastEMA
from grokscope.optim.muon import Muon
from grokscope.optim.sgd import SGD
from grokscope.problem import Problem
from grokscope.snapshot import Snapshot
from grokscope.tasks import Data
from grokscope.tasks.modular import Modular

NAMES = ("gradient_rms", "effective_step", "signal_to_noise", "update_to_decay")
SCHEDULE = Schedule(warmup_steps=8)
STEP = 3


def snapshot_of(rule, *, model=None, schedule=SCHEDULE, step=STEP):
    """Return a snapshot after `step` updates by autograd's gradients, and those gradients."""
    problem, flat = Problem.build(
        task=Modular(p=5),
        data=Data(train_fraction=0.6),
        model=model or MLP(width=4),
        objective=Objective(CrossEntropy()),
        seed=1,
        dtype=torch.float64,
    )
    transform = rule.transform(problem.layout, schedule)
    state, gradients = transform.init(flat), []
    for number in range(step + 1):
        loss = problem.objective.task_loss(
            problem.network(problem.train.prepared), problem.train.targets
        )
        found = torch.autograd.grad(loss, list(problem.parameters.values()))
        gradients.append(torch.cat([g.flatten() for g in found]).numpy())
        if number < step:
            change, state = transform.update(torch.tensor(gradients[-1]), state, flat, number)
            flat.add_(change)
    return Snapshot(
        problem, flat, step=step, optimizer=state, rule=rule, schedule=schedule
    ), np.array(gradients)


def test_the_moments_are_those_of_the_definition():
    rule = AdamW(lr=1e-2, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.3, decay_on="weights")
    snapshot, gradients = snapshot_of(rule)
    found = measure(snapshot, [METRICS[name] for name in NAMES])
    # m_t = (1-β) Σ_s β^(t-s) g_s, whose weights sum to 1 - β^t.
    mean, square = (
        sum((1 - b) * b ** (STEP - s) * g**power for s, g in enumerate(gradients))
        / (1 - b ** (STEP + 1))
        for b, power in zip(rule.betas, (1, 2), strict=True)
    )
    root = np.sqrt(square)
    rate = 1e-2 * STEP / 8
    steps = sorted(rate / (root + 1e-3))
    assert found["gradient_rms"] == pytest.approx(math.sqrt(square.mean()), rel=1e-12)
    assert found["effective_step"] == pytest.approx(steps[(len(steps) - 1) // 2], rel=1e-12)
    assert found["effective_step.low"] == pytest.approx(steps[round(0.1 * (len(steps) - 1))])
    assert found["effective_step.high"] == pytest.approx(steps[round(0.9 * (len(steps) - 1))])
    ratio = np.abs(mean) / (root + 1e-3)
    assert found["signal_to_noise"] == pytest.approx(ratio.mean(), rel=1e-12)
    decayed = np.concatenate(
        [
            np.full(tensor.numel(), name.endswith("weight"))
            for name, tensor in snapshot.problem.network.named_parameters()
        ]
    )
    update, pull = (mean / (root + 1e-3))[decayed], 0.3 * snapshot.params.numpy()[decayed]
    expected = np.linalg.norm(update) / np.linalg.norm(pull)
    assert found["update_to_decay"] == pytest.approx(expected, rel=1e-9)
    assert 0 < decayed.mean() < 1


def test_a_single_step_by_hand():
    snapshot, gradients = snapshot_of(AdamW(lr=1e-2, eps=1e-4, weight_decay=0.5), step=0)
    found = measure(snapshot, [METRICS[name] for name in NAMES])
    g, theta = np.abs(gradients[0]), snapshot.params.numpy()
    assert found["gradient_rms"] == pytest.approx(math.sqrt((g**2).mean()), rel=1e-12)
    assert found["signal_to_noise"] == pytest.approx((g / (g + 1e-4)).mean(), rel=1e-12)
    ratio = np.linalg.norm(g / (g + 1e-4)) / np.linalg.norm(0.5 * theta)
    assert found["update_to_decay"] == pytest.approx(ratio, rel=1e-9)
    assert found["effective_step"] == 0  # the first update of a warm-up is nil


def test_gates_have_a_rate_of_their_own():
    model = Gated(width=4, max_depth=2, d_hidden=4)
    snapshot, _ = snapshot_of(AdamW(lr=1e-2, gate_lr_factor=4.0), model=model)
    gates = snapshot.problem.layout.mask({"gate"}, snapshot.params).bool()
    rates = rates_of(snapshot)
    assert int(gates.sum()) == 2
    assert rates[gates].tolist() == pytest.approx([4e-2 * STEP / 8] * 2)
    assert set(rates[~gates].tolist()) == {1e-2 * STEP / 8}


@pytest.mark.parametrize("rule", [SGD(momentum=0.9), Muon(adamw_on=("first",))])
def test_an_optimizer_without_all_second_moments_is_refused(rule):
    snapshot, _ = snapshot_of(rule)
    for name in NAMES[:3]:
        with pytest.raises(ScienceError, match=r"^this optimizer keeps no second moment"):
            METRICS[name].function(snapshot)


@pytest.mark.parametrize(
    "rule",
    [SGD(momentum=0.9, weight_decay=1.0), Adam(weight_decay=1.0), GrokfastEMA(base="adam")],
)
def test_decay_inside_the_moments_has_no_ratio(rule):
    snapshot, _ = snapshot_of(rule)
    with pytest.raises(ScienceError, match=r"^this optimizer mixes decay into its moments"):
        METRICS["update_to_decay"].function(snapshot)


def test_without_decay_there_is_no_ratio():
    snapshot, _ = snapshot_of(AdamW())
    with pytest.raises(ScienceError, match=r"^optimizer\.weight_decay: is 0"):
        METRICS["update_to_decay"].function(snapshot)


@pytest.mark.parametrize(
    "rule",
    [
        SGD(lr=0.1, weight_decay=0.2),
        Muon(weight_decay=0.2, adamw_on=("first",)),
        GrokfastEMA(weight_decay=0.2),
    ],
)
def test_the_two_parts_make_the_update_of_other_optimizers(rule):
    snapshot, _ = snapshot_of(rule, schedule=Schedule())
    found = measure(snapshot, [METRICS["update_to_decay"]])["update_to_decay"]
    change = snapshot.next_update[0]
    rate = torch.full_like(snapshot.params, rule.lr)
    if isinstance(rule, Muon):
        rate = torch.cat(
            [
                snapshot.params.new_full(
                    (e.size,), rule.lr if e.name == "unembed.weight" else rule.adamw_lr
                )
                for e in snapshot.problem.layout.entries
            ]
        )
    decay = -rate * 0.2 * snapshot.params
    assert found == pytest.approx(float((change - decay).norm() / decay.norm()), rel=1e-9)


def test_a_snapshot_without_its_optimizer_is_refused():
    snapshot, _ = snapshot_of(AdamW())
    bare = Snapshot(snapshot.problem, snapshot.params, step=1, optimizer=snapshot.optimizer)
    with pytest.raises(ScienceError, match=r"^this snapshot was made without its optimizer"):
        METRICS["gradient_rms"].function(bare)


@pytest.mark.parametrize("batch", ["batch.size=null", "batch.size=5"])
def test_what_is_measured_is_what_the_step_then_does(tmp_path, batch):
    changes = ["task.p=5", "model.width=6", "data.train_fraction=0.5", "stop=never", "steps=2"]
    metrics = "measure.metrics=[gradient_rms,update_to_decay]"
    every = ["measure.dense_every=1", "checkpoint.early=[0,1,2]", "precision.parameters=float64"]
    run = grokscope.train("quick", [*changes, metrics, *every, batch], out=tmp_path)
    before, after = run.snapshot(1), run.snapshot(2)
    row = run.history.row(1, named=True)
    beta = run.config.optimizer.betas[1]
    square = after.optimizer["exp_avg_sq"] / (1 - beta**2)
    assert row["gradient_rms"] == pytest.approx(float(square.mean().sqrt()), rel=1e-12)
    rule = run.config.optimizer
    decay = -rule.lr * run.config.schedule.factor(1) * rule.weight_decay * before.params
    update = after.params - before.params - decay
    expected = float(update.norm() / decay.norm())
    assert row["update_to_decay"] == pytest.approx(expected, rel=1e-8)
