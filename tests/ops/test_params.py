import pytest
import torch
from torch import nn

from grokscope.ops.params import Entry, Layout, layout_of


class Stated(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(3, 4))
        self.b_in = nn.Parameter(torch.zeros(2, 2))
        self.roles = {"gain": ("embedding", 4)}


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))
        self.embed = nn.Embedding(5, 3)
        self.layer = nn.Linear(3, 4)
        self.norm = nn.LayerNorm(4)
        self.rms = nn.RMSNorm(4)
        self.image = nn.Conv2d(2, 6, 3, bias=False)
        self.stated = Stated()


@pytest.fixture
def small():
    module = Small().double()
    return module, layout_of(module)


def numbers(size):
    return torch.arange(size, dtype=torch.float64) + 1


def test_entries_are_the_named_parameters_in_registration_order(small):
    module, layout = small
    expected = [(name, tuple(p.shape)) for name, p in module.named_parameters()]
    assert [(entry.name, entry.shape) for entry in layout.entries] == expected
    assert layout.size == sum(p.numel() for p in module.parameters())


def test_roles_follow_from_what_holds_a_tensor(small):
    _, layout = small
    assert {entry.name: entry.role for entry in layout.entries} == {
        "scale": "bias",
        "embed.weight": "embedding",
        "layer.weight": "weight",
        "layer.bias": "bias",
        "norm.weight": "norm",
        "norm.bias": "norm",
        "rms.weight": "norm",
        "image.weight": "weight",
        "stated.gain": "embedding",
        "stated.b_in": "bias",
    }


def test_fan_in_is_the_number_of_inputs_an_output_sums_over(small):
    _, layout = small
    fan_in = {entry.name: entry.fan_in for entry in layout.entries}
    assert fan_in["layer.weight"] == 3
    assert fan_in["image.weight"] == 2 * 3 * 3
    assert fan_in["embed.weight"] == 3
    assert fan_in["stated.gain"] == 4


def test_size_of_an_entry_is_the_product_of_its_shape():
    assert Entry("x", (2, 3, 4), "weight", 12).size == 24
    assert Entry("x", (), "bias", 0).size == 1


def test_split_lays_the_vector_out_row_by_row():
    layout = Layout((Entry("a", (2, 3), "weight", 3), Entry("b", (2,), "bias", 0)))
    named = layout.split(numbers(8))
    assert list(named) == ["a", "b"]
    assert named["a"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert named["b"].tolist() == [7, 8]


def test_join_and_split_are_inverse(small):
    module, layout = small
    flat = numbers(layout.size)
    assert torch.equal(layout.join(layout.split(flat)), flat)
    named = {name: torch.randn_like(p) for name, p in module.named_parameters()}
    back = layout.split(layout.join(named))
    assert all(torch.equal(back[name], named[name]) for name in named)


def test_join_goes_by_name_and_not_by_order(small):
    _, layout = small
    flat = numbers(layout.size)
    mixed = dict(reversed(layout.split(flat).items()))
    assert torch.equal(layout.join(mixed), flat)


def test_split_gives_views(small):
    _, layout = small
    flat = numbers(layout.size)
    layout.split(flat)["layer.weight"].zero_()
    assert (flat == 0).sum() == 12


def test_bound_parameters_and_the_vector_are_one_memory(small):
    module, layout = small
    flat = numbers(layout.size)
    layout.bind(module, flat)
    assert torch.equal(module.embed.weight.detach().flatten(), flat[1:16])
    flat.mul_(2)
    assert module.embed.weight[0, 0].item() == 4.0
    with torch.no_grad():
        module.norm.weight.fill_(-1)
    assert (flat == -1).sum() == 4


def test_binding_again_leaves_the_first_vector(small):
    module, layout = small
    first, second = numbers(layout.size), torch.zeros(layout.size, dtype=torch.float64)
    layout.bind(module, first)
    layout.bind(module, second)
    with torch.no_grad():
        module.layer.weight.fill_(5)
    assert torch.equal(first, numbers(layout.size))
    assert (second == 5).sum() == 12


def test_gradients_flow_through_split():
    layout = Layout((Entry("a", (2, 2), "weight", 2), Entry("b", (3,), "bias", 0)))
    flat = numbers(7).requires_grad_()
    named = layout.split(flat)
    (3 * named["a"].square().sum() + named["b"][1]).backward()
    assert flat.grad is not None
    assert flat.grad.tolist() == [6, 12, 18, 24, 0, 1, 0]


def test_gradients_through_split_are_right_twice():
    layout = Layout((Entry("a", (2, 2), "weight", 2), Entry("b", (2,), "bias", 0)))

    def function(flat):
        named = layout.split(flat)
        return (named["a"] @ named["b"]).pow(3).sum()

    flat = torch.linspace(-1, 1, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(function, (flat,))
    assert torch.autograd.gradgradcheck(function, (flat,))


def test_a_mask_is_one_where_the_role_is_wanted(small):
    _, layout = small
    mask = layout.split(layout.mask({"weight", "norm"}, numbers(layout.size)))
    for entry in layout.entries:
        wanted = 1.0 if entry.role in ("weight", "norm") else 0.0
        assert torch.all(mask[entry.name] == wanted)


def test_a_mask_has_the_dtype_it_is_asked_for(small):
    _, layout = small
    assert layout.mask({"weight"}, torch.zeros(1)).dtype == torch.float32
    assert layout.mask({"weight"}, numbers(1)).dtype == torch.float64
