import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.models import capture, initialize, replace
from grokscope.models.mlp import MLP
from grokscope.tasks.modular import Modular

DATASET = Modular(p=5).dataset()


@pytest.fixture
def network():
    model = MLP(width=8, depth=2)
    network = model.build(DATASET.signature)
    initialize(network, model.initialization, 0, dtype=torch.float64)
    return network


def test_only_named_probes_are_captured(network):
    with capture(network, "hidden.1") as seen:
        network(network.prepare(DATASET.inputs))
    assert list(seen) == ["hidden.1"]


def test_captured_activations_are_attached_to_the_graph(network):
    with capture(network, "hidden.0") as seen:
        logits = network(network.prepare(DATASET.inputs))
    (gradient,) = torch.autograd.grad(logits.sum(), seen["hidden.0"])
    assert gradient.abs().max() > 0


def test_each_pass_fills_the_dict_again(network):
    prepared = network.prepare(DATASET.inputs)
    with capture(network, "representation") as seen:
        network(prepared)
        first = seen["representation"]
        with torch.no_grad():
            next(network.parameters()).mul_(2)
        network(prepared)
    assert not torch.equal(first, seen["representation"])


def test_a_function_and_its_value_replace_alike(network):
    prepared = network.prepare(DATASET.inputs)
    with capture(network, "hidden.0") as seen:
        network(prepared)
    with replace(network, {"hidden.0": lambda x: 3 * x}):
        by_function = network(prepared)
    with replace(network, {"hidden.0": 3 * seen["hidden.0"]}):
        by_value = network(prepared)
    assert torch.equal(by_function, by_value)


def test_capture_sees_what_an_earlier_replacement_left(network):
    prepared = network.prepare(DATASET.inputs)
    with replace(network, {"hidden.0": torch.zeros_like}), capture(network, "hidden.0") as seen:
        network(prepared)
    assert torch.all(seen["hidden.0"] == 0)


def test_an_unknown_probe_is_named_with_those_that_exist(network):
    expected = r"^probe 'hiden': this network has embeddings, hidden\.0, hidden\.1, representation$"
    with pytest.raises(ConfigError, match=expected), capture(network, "hiden"):
        pass
    with pytest.raises(ConfigError, match=expected), replace(network, {"hiden": torch.zeros_like}):
        pass


def test_hooks_are_gone_after_an_error(network):
    with (
        pytest.raises(ConfigError, match="probe 'nowhere'"),
        replace(network, {"hidden.0": torch.zeros_like, "nowhere": torch.zeros_like}),
    ):
        pass
    assert not network.watched
    with pytest.raises(ValueError, match="on purpose"), capture(network):
        raise ValueError("on purpose")
    assert not network.watched
