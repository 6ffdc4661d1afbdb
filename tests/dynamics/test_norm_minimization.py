"""The flow on the zero-loss manifold, against autograd, by hand, and as a run like any other."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.func import functional_call

import grokscope
from grokscope.config import decode, problem_of
from grokscope.engine import train
from grokscope.engine.member import Member
from grokscope.errors import ConfigError, DivergedError
from grokscope.metrics import METRICS, measure

SMALL = {
    "steps": 12,
    "stop": "never",
    "dynamics": "norm_minimization",
    "task": {"kind": "modular", "p": 7, "pairs": "unordered"},
    "data": {"train_fraction": 0.7},
    "model": {"kind": "mlp", "inputs": "summed", "width": 24, "biases": False},
    "loss": {"kind": "mse", "over_classes": "sum"},
    "penalties": [{"kind": "l2", "weight": 1.0}],
    "optimizer": {"kind": "sgd", "lr": 1e-2},
    "precision": {"parameters": "float64"},
    "measure": {"every": 4, "dense_every": 2, "dense_until": 4},
    "checkpoint": {"every": 5, "early": [0, 3]},
}
MODELS = {
    "his": {},
    "one-hot": {"inputs": "one_hot"},
    "biased": {"biases": True},
    "quadratic": {"activation": "quadratic"},
    "deep": {"inputs": "embedded", "d_embed": 5, "depth": 2, "activation": "tanh"},
}


def config_of(**sections):
    return decode(SMALL | sections)


def model_of(name):
    return SMALL["model"] | MODELS[name]


def restricted(problem, weight=1.0):
    """Return the penalty on the manifold, the inverse formed, and its gradient by autograd."""
    leaves = {
        name: x.detach().clone().requires_grad_()
        for name, x in problem.parameters.items()
        if name != "unembed.weight"
    }
    p = problem.dataset.signature.num_classes
    unit = torch.eye(p, leaves["first.weight"].shape[0], dtype=torch.float64)
    seen = {}
    handle = problem.network.representation.register_forward_hook(
        lambda module, args, output: seen.update(h=output)
    )
    functional_call(problem.network, leaves | {"unembed.weight": unit}, (problem.train.prepared,))
    handle.remove()
    h, y = seen["h"], torch.eye(p, dtype=torch.float64)[problem.train.targets]
    norm = torch.trace(y.t() @ torch.inverse(h @ h.t()) @ y)
    value = weight * (sum(x.square().sum() for x in leaves.values()) + norm) / 2
    gradients = dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True))
    return value.detach(), gradients


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize("model", MODELS)
def test_the_gradient_is_that_of_the_norm_on_the_manifold(model, weight):
    penalties = [{"kind": "l2", "weight": weight}]
    problem, _ = problem_of(config_of(model=model_of(model), penalties=penalties))
    terms, gradient = problem.gradient(problem.train)
    value, expected = restricted(problem, weight)
    assert terms.penalty.item() == pytest.approx(value.item(), rel=1e-9)
    assert terms.task.item() <= 1e-16
    parts = problem.layout.split(gradient)
    assert not parts.pop("unembed.weight").any()
    for name, part in parts.items():
        assert (part - expected[name]).abs().max() <= 1e-9 * expected[name].abs().max(), name


def test_the_plain_network_is_simulated_by_its_formulas_and_others_are_not():
    fast = {name: problem_of(config_of(model=model_of(name)))[0].dense for name in MODELS}
    assert {name for name, dense in fast.items() if dense is not None} == {"his", "one-hot"}


@pytest.mark.parametrize("model", ["his", "one-hot"])
def test_the_formulas_are_what_autograd_gives(model):
    problem, _ = problem_of(config_of(model=model_of(model)))
    generic = dataclasses.replace(problem, dense=None)
    (terms, gradient), (others, slope) = (x.gradient(x.train) for x in (problem, generic))
    for field in dataclasses.fields(terms):
        here, there = getattr(terms, field.name), getattr(others, field.name)
        assert torch.allclose(here, there, rtol=1e-10, atol=1e-20), field.name
    assert (gradient - slope).norm() <= 1e-11 * slope.norm()


def test_a_run_is_his_flow_by_euler():
    config = config_of(steps=5, checkpoint={"every": 1}, optimizer={"kind": "sgd", "lr": 0.05})
    problem, flat = problem_of(config)
    tokens = problem.dataset.inputs[problem.split.train].numpy()
    x, y = np.zeros((len(tokens), 7)), np.zeros((len(tokens), 7))
    for row, (a, b, _) in enumerate(tokens):
        x[row, a] += 1
        x[row, b] += 1
        y[row, (a + b) % 7] = 1
    w = problem.layout.split(flat)["first.weight"].numpy().T.copy()
    states = [record.state for record in train([config]) if hasattr(record, "state")]
    for state in states:
        h = np.maximum(x @ w, 0)
        a = np.linalg.inv(h @ h.T)
        found = state.layout.split(state.params)
        assert np.abs(found["first.weight"].numpy().T - w).max() <= 1e-9
        assert np.abs(found["unembed.weight"].numpy().T - h.T @ a @ y).max() <= 1e-9
        w = w + 0.05 * (x.T @ ((a @ y @ y.T @ a @ h) * (h > 0)) - w)
    assert [state.step for state in states] == [0, 1, 2, 3, 4, 5]


def test_the_start_is_drawn_with_variance_one_over_p():
    config = config_of(task={"kind": "modular", "p": 37, "pairs": "unordered"})
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, width=500))
    problem, flat = problem_of(config)
    first = problem.layout.split(flat)["first.weight"]
    assert first.shape == (500, 37)
    assert first.std().item() == pytest.approx(37**-0.5, rel=0.02)


@pytest.mark.parametrize("model", ["his", "deep"])
def test_going_on_from_any_state_equals_not_stopping(model):
    config = config_of(model=model_of(model), checkpoint={"every": 1})

    def ends(**options):
        records = list(train([config], **options))
        rows = [(r.step, dict(r.values)) for r in records if hasattr(r, "values")]
        return rows, [r.state for r in records if hasattr(r, "state")]

    rows, states = ends()
    for state in states[:-1]:
        later, others = ends(states={0: state})
        assert later == [row for row in rows if row[0] > state.step]
        assert torch.equal(others[-1].params, states[-1].params)


def test_members_of_a_cohort_are_the_runs_alone():
    configs = [
        config_of(seed=seed, optimizer={"kind": "sgd", "lr": 0.01 + seed}) for seed in (0, 1)
    ]
    ends = {
        mapped: [r.state.params for r in train(configs, mapped=mapped) if hasattr(r, "state")]
        for mapped in ("loop", "batch")
    }
    last = [ends["loop"][len(ends["loop"]) // 2 - 1], ends["loop"][-1]]
    assert torch.equal(ends["batch"][-2], last[0])
    assert torch.equal(ends["batch"][-1], last[1])


def test_a_stored_run_is_a_run_like_any_other(tmp_path):
    every = SMALL["measure"] | {"metrics": sorted(METRICS)}
    config = config_of(measure=every, optimizer={"kind": "sgd", "lr": 1e-3})
    run = grokscope.train(config, out=tmp_path)
    assert run.verify() == []
    assert run.status["memorized_at"] == 0
    assert run.history["train_acc"].min() == 1.0
    assert run.history["interpolation_residual"].max() <= 1e-10
    assert (run.history["weight_norm"].diff().drop_nulls() < 0).all()
    snapshot = run.snapshot(12)
    before = snapshot.params.clone()
    again = measure(snapshot, [METRICS[name] for name in ("curves", "gradient_norm")])
    assert again == {name: run.last[name] for name in again}
    assert torch.equal(snapshot.params, before)
    longer = grokscope.resume(run, ["steps=+8"])
    whole = grokscope.train(dataclasses.replace(config, steps=20), out=tmp_path, name="whole")
    file = "checkpoints/step_000000020/model.safetensors"
    for name in ("history.parquet", file):
        assert (longer.path / name).read_bytes() == (whole.path / name).read_bytes()


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"dynamics": "norm_minimisation"}, "did you mean 'norm_minimization'"),
        ({"penalties": []}, "minimizes one L2 penalty"),
        ({"penalties": [{"kind": "l2"}]}, "minimizes one L2 penalty"),
        ({"precision": {}}, "set precision.parameters=float64"),
        ({"batch": {"size": 3}}, "only training draws batches"),
        ({"model": SMALL["model"] | {"width": 18}}, "answers 19 training examples exactly"),
        ({"model": SMALL["model"] | {"output_multiplier": 2.0}}, "reads its answer linearly"),
        (
            {"model": {"kind": "transformer", "tied": True, "d_model": 24, "d_mlp": 8}},
            "reads its answer linearly",
        ),
    ],
)
def test_what_has_no_sense_is_refused_in_one_line(sections, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Member(0, config_of(**sections))
    assert "\n" not in str(caught.value)


def test_a_manifold_that_cannot_be_reached_is_a_diverged_run(tmp_path):
    model = SMALL["model"] | {"init": {"scale": 1e-170}}
    with pytest.raises(DivergedError, match="the objective is nan at step 0"):
        grokscope.train(config_of(model=model), out=tmp_path)
