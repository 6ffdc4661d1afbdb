import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.ops.params import Entry, Layout
from grokscope.optim import Schedule
from grokscope.optim.muon import Muon, newton_schulz

LAYOUT = Layout(
    (
        Entry("embed.weight", (4, 3), "embedding", 3),
        Entry("conv.weight", (5, 2, 3), "weight", 6),
        Entry("hidden.weight", (3, 7), "weight", 7),
        Entry("hidden.bias", (3,), "bias", 0),
        Entry("unembed.weight", (2, 3), "weight", 3),
    )
)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(6, 6), (40, 9), (9, 40), (1, 5), (64, 128)])
@pytest.mark.parametrize("seed", range(3))
def test_the_singular_values_of_an_update_are_near_one(shape, seed):
    matrix = normal(*shape, seed=seed)
    values = torch.linalg.svdvals(matrix)
    if values[-1] > 0.002 * values.square().sum().sqrt():
        found = torch.linalg.svdvals(newton_schulz(matrix))
        assert found.min() >= 0.68
        assert found.max() <= 1.14


def test_the_iteration_keeps_the_singular_vectors():
    matrix = normal(5, 8)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.T @ newton_schulz(matrix) @ v.T
    assert (inside - torch.diag(inside.diagonal())).abs().max() < 1e-12


def test_a_gradient_of_nothing_updates_nothing():
    assert torch.equal(newton_schulz(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_hidden_matrices_take_muon_and_the_rest_takes_adam():
    config = Muon(lr=0.5, adamw_lr=1e-3, momentum=0.0)
    transform = config.transform(LAYOUT, Schedule())
    params, gradient = normal(LAYOUT.size), normal(LAYOUT.size, seed=1)
    state = transform.init(params)
    assert {name: len(x) for name, x in state.items()} == {
        "velocity": 30 + 21,
        "exp_avg": 12 + 3 + 6,
        "exp_avg_sq": 12 + 3 + 6,
    }
    change, _ = transform.update(gradient, state, params, 0)
    parts = LAYOUT.split(change)
    for name in ("embed.weight", "hidden.bias", "unembed.weight"):  # Adam's first step is ±η
        expected = -1e-3 * LAYOUT.split(gradient)[name].sign()
        assert torch.allclose(parts[name], expected, rtol=1e-6), name
    values = torch.linalg.svdvals(parts["hidden.weight"])
    assert ((values >= 0.5 * 0.68) & (values <= 0.5 * 1.14)).all()
    values = torch.linalg.svdvals(parts["conv.weight"].view(5, 6))
    assert ((values >= 0.5 * 0.68) & (values <= 0.5 * 1.14)).all()


def test_a_tall_matrix_takes_longer_steps():
    layout = Layout((Entry("w", (8, 2), "weight", 2),))
    gradient = normal(16)
    changes = []
    for scale in ("original", "match_rms_adamw"):
        transform = Muon(lr=1.0, scale=scale).transform(layout, Schedule())
        changes.append(transform.update(gradient, transform.init(gradient), gradient, 0)[0])
    ratio = changes[0].norm() / changes[1].norm()
    assert ratio.item() == pytest.approx((8 / 2) ** 0.5 / (0.2 * 8**0.5), rel=1e-12)


def test_the_matrices_step_like_those_of_torch_in_bfloat16():
    layout = Layout((Entry("w", (12, 20), "weight", 20),))
    config = Muon(lr=0.05, weight_decay=0.1)
    transform = config.transform(layout, Schedule())
    flat = normal(240)
    twin = torch.nn.Parameter(flat.view(12, 20).clone())
    theirs = torch.optim.Muon([twin], lr=0.05, weight_decay=0.1, momentum=0.95)
    state, start = transform.init(flat), flat
    for step in range(5):
        gradient = normal(240, seed=step + 1)
        change, state = transform.update(gradient, state, flat, step)
        flat = flat + change
        twin.grad = gradient.view(12, 20).clone()
        theirs.step()
    moved = (flat - start).norm()
    assert (flat - twin.detach().flatten()).norm() <= 0.02 * moved  # bfloat16 keeps 8 bits


def test_a_network_without_hidden_matrices_is_refused():
    layout = Layout((Entry("unembed.weight", (2, 3), "weight", 3), Entry("b", (2,), "bias", 0)))
    with pytest.raises(ConfigError, match=r"^optimizer\.kind: this network has no hidden matrix"):
        Muon().transform(layout, Schedule())
