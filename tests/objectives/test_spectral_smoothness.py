import pytest
import torch

from grokscope.objectives import View
from grokscope.objectives.spectral_smoothness import SpectralSmoothness
from grokscope.ops.fourier import basis


def rough_share(values, cutoff):
    """Return the share of energy above a wave number, by the real basis of both axes."""
    p = len(values)
    rows = basis(p)
    number = [0] + [(i + 1) // 2 for i in range(1, p)]
    coefficients = torch.einsum("ka,lb,abd->kld", rows, rows, values).square().sum(-1)
    rough = total = 0.0
    for i in range(p):
        for j in range(p):
            if i or j:
                total += coefficients[i, j].item()
                rough += coefficients[i, j].item() * (max(number[i], number[j]) > cutoff)
    return rough / total


@pytest.mark.parametrize(("fraction", "cutoff"), [(0.2, 0), (0.34, 1), (0.6, 1), (0.99, 2)])
def test_it_is_the_share_above_the_cutoff(fraction, cutoff):
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(7, 7, 4, generator=generator, dtype=torch.float64)
    view = View(torch.nn.Identity(), None, values.reshape(49, 4), (7, 7))
    found = SpectralSmoothness(smooth_below=fraction).value(lambda x: x, {}, view).item()
    assert found == pytest.approx(rough_share(values, cutoff), abs=1e-12)
