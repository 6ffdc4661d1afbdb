import numpy as np
import pytest
import torch

from grokscope.models import capture, hear, initialize
from grokscope.models.gated import Gated
from grokscope.ops.params import layout_of
from grokscope.tasks.modular import Modular

SIGNATURE = Modular(p=5).dataset().signature
INPUTS = Modular(p=5).dataset().inputs


def build(config, *, noise=0.3, dtype=torch.float64):
    network = config.build(SIGNATURE)
    flat = initialize(network, config.initialization, 0, dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    flat += noise * torch.randn(len(flat), generator=generator, dtype=dtype)
    return network, flat


def normed(x, own, name):
    apart = x - x.mean()
    gain, shift = own[f"{name}.weight"], own[f"{name}.bias"]
    return gain * apart / np.sqrt((apart**2).mean() + 1e-5) + shift


def gate_of(a, config):
    if config.gate == "gumbel":
        u = (np.arange(64) + 0.5) / 64
        return float(np.mean(1 / (1 + np.exp(-(a + np.log(u / (1 - u))) / config.temperature))))
    soft = 1 / (1 + np.exp(-a / config.temperature))
    return float(soft >= 0.5) if config.gate == "straight_through" else float(soft)


def plain(params, x, config):
    """Return logits and gates of one example, layer by layer."""
    pre, gates = config.norm == "pre", []
    for number in range(config.max_depth):
        start = f"layers.{number}."
        own = {n.removeprefix(start): v for n, v in params.items() if n.startswith(start)}
        seen = normed(x, own, "norm") if pre else x
        hidden = np.tanh(own["expand.weight"] @ seen + own["expand.bias"])
        f = own["contract.weight"] @ hidden + own["contract.bias"]
        a = own["logit"] + (own["direction"] @ seen if config.gate_sees == "input" else 0.0)
        g = gate_of(a, config)
        forms = {"output": x + g * f, "skip": g * x + f, "highway": (1 - g) * x + g * f}
        x = forms[config.gate_on]
        gates.append(g)
    return params["unembed.weight"] @ (normed(x, params, "norm") if pre else x), gates


@pytest.mark.parametrize("gate", ["sigmoid", "gumbel", "straight_through"])
@pytest.mark.parametrize("gate_on", ["output", "skip", "highway"])
@pytest.mark.parametrize(
    "more",
    [{}, {"norm": "pre", "growth": 0.5, "temperature": 0.4}, {"gate_sees": "input"}],
    ids=["plain", "normed", "by input"],
)
def test_the_network_is_its_equations(gate, gate_on, more):
    config = Gated(
        width=6,
        max_depth=3,
        d_hidden=8,
        activation="tanh",
        gate=gate,
        gate_on=gate_on,
        initial_gate=0.5,
        **more,
    )
    network, flat = build(config)
    params = {n: x.numpy().copy() for n, x in layout_of(network).split(flat).items()}
    with capture(network) as seen:
        logits = network(network.prepare(INPUTS)).detach().numpy()
    for number, (a, b) in enumerate(Modular(p=5).dataset().operands().tolist()):
        x = params["enter.weight"][:, a] + params["enter.weight"][:, 5 + b]
        expected, gates = plain(params, x, config)
        np.testing.assert_allclose(logits[number], expected, rtol=1e-9, atol=1e-11)
        found = [seen[f"layers.{layer}.gate"][number].item() for layer in range(3)]
        assert found == pytest.approx(gates, rel=1e-10)


@pytest.mark.parametrize("gate", ["sigmoid", "gumbel", "straight_through"])
@pytest.mark.parametrize(("asked", "got"), [(1.0, 0.99), (0.5, 0.5), (0.1, 0.1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gates_start_where_they_were_asked_to_for_every_seed(gate, asked, got, dtype):
    config = Gated(width=6, gate=gate, initial_gate=asked, gate_sees="input")
    for seed in (0, 1):
        network = config.build(SIGNATURE)
        initialize(network, config.initialization, seed, dtype=dtype)
        with hear() as signals:
            network(network.prepare(INPUTS))
        assert len(signals) == config.max_depth
        for signal in signals:
            assert signal.value.shape == (25,)
            assert signal.soft.tolist() == pytest.approx([got] * 25, abs=1e-6)
            step = 1.0 if asked >= 0.5 else 0.0
            value = step if gate == "straight_through" else got
            assert signal.value.tolist() == pytest.approx([value] * 25, abs=1e-6)


def test_closed_gates_leave_the_embedding_alone():
    network, _ = build(Gated(width=6))
    for layer in network.layers:
        layer.logit.data.fill_(-1e4)
    with capture(network) as seen:
        network(network.prepare(INPUTS))
    start = torch.nn.functional.linear(seen["embeddings"], network.enter.weight)
    assert torch.allclose(seen["representation"], start, rtol=1e-12)


def test_growth_makes_layers_differ_in_what_they_cost():
    config = Gated(width=6, max_depth=4, d_hidden=8, growth=0.5)
    network, _ = build(config)
    units = [layer.expand.weight.shape[0] for layer in network.layers]
    assert units == [8, 4, 2, 1]
    assert [layer.gate.flops for layer in network.layers] == [4 * 6 * n for n in units]


@pytest.mark.parametrize(("sees", "more"), [("nothing", 0), ("input", 10)])
def test_the_number_of_parameters_is_that_of_its_matrices(sees, more):
    config = Gated(width=10, max_depth=3, d_hidden=8, gate_sees=sees)
    network = config.build(SIGNATURE)
    expected = 10 * 10 + 3 * (2 * 8 * 10 + 8 + 10 + 1 + more) + 5 * 10
    assert sum(p.numel() for p in network.parameters()) == expected
    entries = layout_of(network).entries
    names = {entry.name.split(".")[-1] for entry in entries if entry.role == "gate"}
    assert names == ({"logit", "direction"} if more else {"logit"})


def test_gradients_reach_every_gate():
    for gate in ("sigmoid", "gumbel", "straight_through"):
        network, _ = build(Gated(width=6, gate=gate, initial_gate=0.6), noise=0.05)
        loss = network(network.prepare(INPUTS)).square().mean()
        slopes = torch.autograd.grad(loss, [layer.logit for layer in network.layers])
        assert all(slope.abs() > 1e-9 for slope in slopes), gate


@pytest.mark.parametrize("gate", ["sigmoid", "gumbel"])
def test_the_gradient_of_a_gate_through_the_network_agrees_with_differences(gate):
    network, _ = build(Gated(width=6, gate=gate, initial_gate=0.6, activation="tanh"))
    prepared = network.prepare(INPUTS)
    for layer in network.layers:
        (slope,) = torch.autograd.grad(network(prepared).square().mean(), layer.logit)
        sides = []
        for sign in (1, -1):
            layer.logit.data += sign * 1e-5
            sides.append(network(prepared).square().mean().item())
            layer.logit.data -= sign * 1e-5
        assert slope.item() == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-6, abs=1e-10)
