import pytest
import torch

from grokscope.ops.params import Entry, Layout
from grokscope.optim.perpgrad import orthogonal, perpendicular

LAYOUT = Layout(
    (
        Entry("one", (4, 3), "weight", 3),
        Entry("two", (5,), "bias", 0),
        Entry("scalar", (1,), "bias", 0),
        Entry("zeros", (2, 2), "weight", 2),
    )
)


def normal(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator=generator, dtype=torch.float64)


@pytest.fixture
def gradient_and_weights():
    weights = normal(LAYOUT.size)
    LAYOUT.split(weights)["zeros"].zero_()
    return normal(LAYOUT.size, seed=1), weights


@pytest.mark.parametrize("rescale", [True, False])
def test_nothing_is_left_along_each_tensor(rescale, gradient_and_weights):
    gradient, weights = gradient_and_weights
    found, _ = perpendicular(LAYOUT, rescale=rescale).update(gradient, {}, weights, 0)
    before = LAYOUT.split(gradient)
    for name, part in LAYOUT.split(found).items():
        along = (part * LAYOUT.split(weights)[name]).sum()
        assert abs(along.item()) <= 1e-12, name
        if rescale and name != "scalar":
            assert part.norm().item() == pytest.approx(before[name].norm().item(), rel=1e-12)


def test_without_scaling_pythagoras_holds(gradient_and_weights):
    gradient, weights = (LAYOUT.split(x)["one"] for x in gradient_and_weights)
    rest = orthogonal(gradient, weights, rescale=False)
    along = (weights * gradient).sum() / weights.norm()
    squares = gradient.square().sum() - along.square()
    assert rest.square().sum().item() == pytest.approx(squares.item(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_parallel_gradient_is_not_scaled_up_from_rounding(dtype):
    weights = normal(50).to(dtype)
    found = orthogonal(3.7 * weights, weights, rescale=True)
    assert found.norm() <= 1e-5 * weights.norm()


def test_weights_of_nothing_keep_their_gradient(gradient_and_weights):
    gradient, weights = gradient_and_weights
    found, _ = perpendicular(LAYOUT, rescale=True).update(gradient, {}, weights, 0)
    assert torch.allclose(LAYOUT.split(found)["zeros"], LAYOUT.split(gradient)["zeros"])
