import pytest
import torch
from torch.func import functional_call

from grokscope.config import decode, problem_of
from grokscope.engine import train
from grokscope.engine.member import Member
from grokscope.errors import ScienceError
from grokscope.models import capture
from grokscope.objectives.torus_laplacian import TorusLaplacian
from grokscope.ops.fourier import energies
from grokscope.ops.laplacian import eigenvalues

MODELS = {
    "mlp": {"kind": "mlp", "width": 9, "activation": "tanh"},
    "transformer": {"kind": "transformer", "d_model": 8, "num_heads": 2, "d_mlp": 6},
}


def config_of(penalty, model="mlp", **sections):
    tree = {
        "steps": 6,
        "stop": "never",
        "task": {"kind": "modular", "p": 7},
        "data": {"train_fraction": 0.4},
        "model": MODELS[model],
        "optimizer": {"kind": "sgd", "lr": 0.1},
        "penalties": [penalty],
        "precision": {"parameters": "float64"},
    }
    return decode(tree | sections)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("of", ["logits", "representation"])
@pytest.mark.parametrize("relative", [True, False])
def test_it_is_the_energy_of_all_pairs_by_the_transform(model, of, relative):
    penalty = {"kind": "torus_laplacian", "weight": 0.5, "of": of, "relative": relative}
    problem, _ = problem_of(config_of(penalty, model))
    found = problem.terms(problem.train).penalty.item()
    network, inputs = problem.network, problem.dataset.inputs
    with capture(network, "representation") as seen, torch.no_grad():
        logits = network(network.prepare(inputs, share=False))
    values = {"logits": logits, "representation": seen["representation"]}[of].reshape(7, 7, -1)
    of_modes = energies(values)
    energy = (eigenvalues(7) * of_modes).sum()
    whole = of_modes.sum() - of_modes[0, 0] if relative else torch.tensor(49.0)
    assert found == pytest.approx((0.5 * energy / whole).item(), rel=1e-12)


@pytest.mark.parametrize("kind", ["torus_laplacian", "spectral_smoothness", "input_jacobian"])
@pytest.mark.parametrize("model", MODELS)
def test_its_gradient_through_the_network_agrees_with_differences(kind, model):
    problem, flat = problem_of(config_of({"kind": kind, "weight": 2.0}, model))
    _, gradient = problem.gradient(problem.train)

    def objective(at):
        params = problem.layout.split(at)
        prepared, targets = problem.train.prepared, problem.train.targets
        terms = problem.objective.terms(
            lambda x: functional_call(problem.network, params, (x,)), params, prepared, targets
        )
        return terms.total.item()

    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = torch.randn(len(flat), generator=generator, dtype=torch.float64)
        h = 1e-5
        ahead, behind = (objective(flat + sign * h * direction) for sign in (1, -1))
        along = float(gradient @ direction)
        assert along == pytest.approx((ahead - behind) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("kind", ["torus_laplacian", "spectral_smoothness", "input_jacobian"])
@pytest.mark.parametrize("model", MODELS)
def test_a_cohort_has_the_penalty_of_the_runs_alone(kind, model):
    configs = [
        config_of({"kind": kind, "weight": weight}, model, seed=seed)
        for seed, weight in ((0, 0.1), (1, 0.7))
    ]
    ends = [
        {r.member: r.state.params for r in train(configs, mapped=mapped) if hasattr(r, "state")}
        for mapped in ("loop", "batch")
    ]
    for number in (0, 1):
        alone, together = (end[number] for end in ends)
        assert (alone - together).norm() <= 1e-9 * alone.norm()


@pytest.mark.parametrize("kind", ["torus_laplacian", "spectral_smoothness"])
@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({"kind": "modular", "p": 7, "pairs": "unordered"}, "28 examples"),
        ({"kind": "modular", "p": 7, "operation": "divide"}, "42 examples"),
        ({"kind": "group", "family": "dihedral", "n": 4}, "the dihedral group is not cyclic"),
        ({"kind": "mixed", "p": 5}, "50 examples"),
    ],
)
def test_a_task_that_is_no_torus_is_refused_in_one_line(kind, task, reason):
    config = config_of({"kind": kind, "weight": 1.0}, task=task)
    with pytest.raises(ScienceError, match=f"^penalties: {kind}: needs .*{reason}") as caught:
        Member(0, config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("of", ["logits", "representation"])
def test_with_the_penalty_the_network_becomes_smoother(of):
    ends = {}
    for weight in (0.0, 3.0):
        penalty = {"kind": "torus_laplacian", "weight": weight, "of": of}
        steps = {"steps": 60, "optimizer": {"kind": "adamw", "lr": 0.01}}
        member = Member(0, config_of(penalty, **steps))
        for record in train([member.config]):
            if hasattr(record, "state"):
                member.params.copy_(record.state.params)
        value = TorusLaplacian(weight=1.0, of=of).value(
            member.problem.network, {}, member.problem.objective.view
        )
        ends[weight] = value.item()
    assert ends[3.0] < 0.8 * ends[0.0]
