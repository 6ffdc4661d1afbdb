"""Metrics of curvature against dense matrices made by reverse mode alone."""

import dataclasses

import pytest
import torch
from torch.autograd.functional import hessian, jacobian
from torch.func import functional_call

from grokscope.config import decode
from grokscope.config.build import problem_of
from grokscope.errors import ScienceError
from grokscope.landscape import Landscape, sample
from grokscope.metrics import METRICS, curvature, input_curvature, measure
from grokscope.ops.curvature import hessian_product, signs
from grokscope.snapshot import Snapshot

NETWORKS = {
    "mlp": {"kind": "mlp", "width": 4, "activation": "gelu"},
    "transformer": {"kind": "transformer", "d_model": 4, "num_heads": 2, "d_mlp": 0},
}
every_network = pytest.mark.parametrize("model", sorted(NETWORKS))


def snapshot(model, **tree):
    config = {
        "task": {"kind": "modular", "p": 5},
        "data": {"train_fraction": 0.6},
        "model": NETWORKS[model] | {"init": {"scale": 1.5}},
        "optimizer": {"kind": "adamw"},
    }
    problem, flat = problem_of(decode(config | tree))
    return Snapshot(problem, flat)


def value(found, name):
    return measure(found, [METRICS[name]])[name]


def loss_of(found):
    """Return the mean loss of a plain float64 network as a function of its flat parameters."""
    problem = found.problem
    network = dataclasses.replace(problem).network.double()
    prepared = network.prepare(problem.train.inputs, share=False)

    def rows(flat):
        logits = functional_call(network, problem.layout.split(flat), (prepared,))
        return logits, torch.nn.functional.cross_entropy(
            logits, problem.train.targets, reduction="none"
        )

    return rows, found.params.double()


@every_network
def test_the_trace_is_that_of_the_dense_hessian_at_the_same_probes(model):
    found = snapshot(model)
    measured = value(found, "weight_hessian_trace")
    rows, at = loss_of(found)
    matrix = hessian(lambda flat: rows(flat)[1].mean(), at)
    probes = signs(len(at), curvature.PROBES, "weight hessian")
    expected = torch.stack([v @ matrix @ v for v in probes]).mean()
    assert measured == pytest.approx(float(expected), rel=1e-9)
    off = matrix - torch.diag(matrix.diagonal())
    deviation = float((2 * off.square().sum() / curvature.PROBES).sqrt())
    assert deviation > 0
    assert abs(measured - float(matrix.trace())) < 3 * deviation


@every_network
def test_both_fisher_traces_are_those_of_dense_matrices_at_the_same_probes(model):
    found = snapshot(model)
    measured = {name: value(found, name) for name in ("fisher_trace", "empirical_fisher_trace")}
    rows, at = loss_of(found)
    slopes = jacobian(lambda flat: rows(flat)[1], at)
    empirical = slopes.t() @ slopes / len(slopes)
    logits = rows(at)[0]
    true = torch.zeros_like(empirical)
    for label in range(logits.shape[1]):
        log_p = jacobian(lambda flat: torch.log_softmax(rows(flat)[0], 1)[:, label], at)  # noqa: B023
        p = torch.softmax(logits, 1)[:, label]
        true += log_p.t() @ (p[:, None] * log_p) / len(log_p)
    probes = signs(len(at), curvature.PROBES, "fisher")
    for name, matrix in (("fisher_trace", true), ("empirical_fisher_trace", empirical)):
        expected = torch.stack([v @ matrix @ v for v in probes]).mean()
        assert measured[name] == pytest.approx(float(expected), rel=1e-9)
    assert measured["fisher_trace"] != pytest.approx(measured["empirical_fisher_trace"], rel=0.01)


@every_network
def test_input_measures_are_those_of_each_example_by_itself(model):
    found = snapshot(model)
    measured = {name: value(found, name) for name in ("input_jacobian_norm", "input_hessian_trace")}
    landscape, x, _ = input_curvature._of_inputs(found)
    at, problem = found.params.double(), found.problem
    probes = signs(x.numel(), input_curvature.PROBES, "input hessian").view(-1, *x.shape)
    norms, traces = [], []
    for i, row in enumerate(x):
        one = Landscape.of(problem)
        inputs = problem.train.inputs[landscape.rows[i : i + 1]]
        one = dataclasses.replace(
            one, prepared=one.network.prepare(inputs, share=False), targets=one.targets[i : i + 1]
        )
        logits = input_curvature._Logits(one, at)
        norms.append(jacobian(lambda y: logits(y[None])[0], row).norm())  # noqa: B023
        matrix = hessian(lambda y: one.losses(logits(y[None])).sum(), row)  # noqa: B023
        flat = matrix.reshape(row.numel(), row.numel())
        vs = probes[:, i].reshape(len(probes), -1)
        traces.append(torch.einsum("ki,ij,kj->k", vs, flat, vs).mean())
    assert measured["input_jacobian_norm"] == pytest.approx(
        float(sum(norms) / len(norms)), rel=1e-9
    )
    assert measured["input_hessian_trace"] == pytest.approx(
        float(sum(traces) / len(traces)), rel=1e-9, abs=1e-12
    )


def test_another_loss_has_no_fisher_trace_and_says_so():
    found = snapshot("mlp", loss={"kind": "mse"})
    for name in ("fisher_trace", "empirical_fisher_trace"):
        with pytest.raises(ScienceError, match=rf"minimizes mse: {name} needs a distribution"):
            METRICS[name].function(found)
    assert value(found, "weight_hessian_trace") > 0


def test_a_landscape_is_the_loss_and_the_objective_of_its_problem():
    penalties = [{"kind": "l2", "weight": 0.3}, {"kind": "input_jacobian", "weight": 0.1}]
    found = snapshot("transformer", penalties=penalties, precision={"parameters": "float64"})
    terms = found.problem.terms(found.problem.train)
    landscape = Landscape.of(found.problem)
    torch.testing.assert_close(landscape.task_loss(found.params), terms.task)
    torch.testing.assert_close(landscape.total(found.params), terms.total)
    assert float(terms.penalty.detach()) > 0.01
    torch.testing.assert_close(landscape.per_example(found.params).mean(), terms.task)
    v = torch.ones_like(found.params)
    whole = hessian_product(landscape.total, found.params)(v)
    task = hessian_product(landscape.task_loss, found.params)(v)
    assert (whole - task).norm() > 0.1


def test_a_sample_is_fixed_distinct_and_part_of_the_training_set():
    found = snapshot("mlp")
    landscape = Landscape.of(found.problem, samples=6)
    assert landscape.rows.equal(Landscape.of(found.problem, samples=6).rows)
    assert len(set(landscape.rows.tolist())) == len(landscape) == 6
    assert landscape.targets.equal(found.problem.train.targets[landscape.rows])
    whole = Landscape.of(found.problem).per_example(found.params.double())
    part = landscape.per_example(found.params.double())
    torch.testing.assert_close(part, whole[landscape.rows])
    assert sample(5, 9).tolist() == [0, 1, 2, 3, 4]
