import numpy as np
import pytest
import torch

from grokscope.errors import ConfigError
from grokscope.models import initialize
from grokscope.models.lenet import LeNet
from grokscope.ops.params import layout_of
from grokscope.tasks import Signature
from grokscope.tasks.digits import Digits
from grokscope.tasks.parity import Parity


def signature(height, width):
    return Signature(num_classes=10, num_features=height * width, image=(height, width))


def convolved(x, weight, bias, padding):
    """Convolve images [in, height, width] with filters, one product at a time; ReLU; 2 x 2 max."""
    k = weight.shape[-1]
    if padding == "same":
        x = np.pad(x, ((0, 0), ((k - 1) // 2, k // 2), ((k - 1) // 2, k // 2)))
    height, width = x.shape[1] - k + 1, x.shape[2] - k + 1
    y = np.zeros((len(weight), height, width))
    for o in range(len(weight)):
        for i in range(height):
            for j in range(width):
                y[o, i, j] = max(0.0, (x[:, i : i + k, j : j + k] * weight[o]).sum() + bias[o])
    z = np.zeros((len(weight), height // 2, width // 2))
    for i in range(height // 2):
        for j in range(width // 2):
            z[:, i, j] = y[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max((1, 2))
    return z


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (LeNet(channels=(2, 3), kernel=3), (11, 10)),
        (LeNet(channels=(2, 3), padding="same"), (8, 8)),
        (LeNet(channels=(1, 2), kernel=3, padding="same"), (9, 5)),
        (LeNet(channels=(1, 2), kernel=2), (9, 7)),
    ],
    ids=str,
)
def test_logits_are_those_of_loops_over_pixels(model, shape):
    network = model.build(signature(*shape))
    flat = initialize(network, model.initialization, 0, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    flat += 0.2 * torch.randn(len(flat), generator=generator, dtype=torch.float64)
    params = {name: x.numpy().copy() for name, x in layout_of(network).split(flat).items()}
    images = torch.rand(3, shape[0] * shape[1], generator=generator, dtype=torch.float64)
    logits = network(network.prepare(images)).detach().numpy()
    for row, image in zip(logits, images.numpy(), strict=True):
        x = image.reshape(1, *shape)
        for number in range(2):
            name = f"convolutions.{number}"
            weight, bias = params[f"{name}.weight"], params[f"{name}.bias"]
            x = convolved(x, weight, bias, model.padding)
        expected = params["unembed.weight"] @ x.flatten() + params["unembed.bias"]
        np.testing.assert_allclose(row, expected, rtol=1e-11, atol=1e-12)


def test_lenet_tiny_has_5994_parameters_at_28_by_28():
    network = LeNet().build(signature(28, 28))
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    assert sum(sizes.values()) == 5994
    assert sizes["convolutions.0.weight"] + sizes["convolutions.0.bias"] == 208
    assert sizes["convolutions.1.weight"] + sizes["convolutions.1.bias"] == 3216
    assert sizes["unembed.weight"] + sizes["unembed.bias"] == 2570


def test_a_filter_larger_than_the_image_is_refused():
    with pytest.raises(
        ConfigError, match=r"^model\.kernel: nothing is left of 8 x 8 pixels .*same"
    ):
        LeNet().build(Digits().dataset().signature)


def test_an_even_filter_has_no_middle():
    with pytest.raises(ConfigError, match=r"^kernel: 4 has no middle; padding: same needs an odd"):
        LeNet(kernel=4, padding="same")


def test_a_task_without_images_is_refused():
    with pytest.raises(ConfigError, match=r"^model: a lenet needs a task with images$"):
        LeNet().build(Parity().dataset().signature)
