"""LeNet-tiny: two convolutions and one linear map, for small images."""

import itertools
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from grokscope.errors import ConfigError
from grokscope.models.base import MODELS, Model, Network
from grokscope.models.init import Init
from grokscope.models.layers import ACTIVATIONS, Activation, Linear
from grokscope.models.probe import Probe
from grokscope.tasks.base import Signature
from grokscope.typing import Gt


@MODELS.register
@dataclass(frozen=True, kw_only=True)
class LeNet(Model):
    """Convolution, nonlinearity and 2 x 2 maximum, twice; then a linear map (LeCun et al. 1998).

    As it stands it has 5,994 parameters at 28 x 28: 208 + 3,216 in the convolutions and 2,570 in
    the linear map, few enough for an exact Hessian. Images of 8 x 8 need `padding: same`. Probes:
    `embeddings` [n, 1, height, width], `convolved.0` and `convolved.1` [n, channels, height, width]
    after each maximum, `representation` [n, features].
    """

    kind: Literal["lenet"] = "lenet"
    channels: tuple[Annotated[int, Gt(0)], Annotated[int, Gt(0)]] = (8, 16)
    """Channels of the two convolutions."""
    kernel: Annotated[int, Gt(0)] = 5
    """Height and width of the filters."""
    padding: Literal["valid", "same"] = "valid"
    """`valid` computes where the filter fits; `same` keeps the size by zeros around the image."""
    activation: Activation = "relu"
    """Nonlinearity after each convolution."""
    init: Init = field(default_factory=Init)
    """How the parameters are drawn."""

    def __post_init__(self) -> None:
        if self.padding == "same" and self.kernel % 2 == 0:
            raise ConfigError(
                f"kernel: {self.kernel} has no middle; padding: same needs an odd one"
            )

    @property
    def initialization(self) -> Init:
        """How the parameters are drawn."""
        return self.init

    def build(self, signature: Signature) -> Network:
        """Return the network for a task with images."""
        if signature.image is None:
            raise ConfigError("model: a lenet needs a task with images")
        if min(self._sizes(signature.image)) < 1:
            height, width = signature.image
            raise ConfigError(
                f"model.kernel: nothing is left of {height} x {width} pixels after two "
                f"convolutions by {self.kernel}; set model.padding=same"
            )
        return _LeNet(self, signature)

    def _sizes(self, image: tuple[int, int]) -> tuple[int, int]:
        """Return height and width after both convolutions."""
        lost = self.kernel - 1 if self.padding == "valid" else 0
        height, width = (((size - lost) // 2 - lost) // 2 for size in image)
        return height, width


class Convolution(nn.Module):
    """x ↦ K * x + b with K [out, in, kernel, kernel]; it draws nothing at construction."""

    def __init__(self, n_in: int, n_out: int, kernel: int, padding: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_out, n_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self._padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Return the images [n, out, height, width]."""
        return F.conv2d(x, self.weight, self.bias, padding=self._padding)


class _LeNet(Network):
    def __init__(self, config: LeNet, signature: Signature) -> None:
        super().__init__()
        self._image = signature.image
        self._activation = ACTIVATIONS[config.activation]
        height, width = config._sizes(signature.image or (0, 0))
        self.embeddings = Probe()
        self.convolutions = nn.ModuleList(
            Convolution(a, b, config.kernel, config.padding)
            for a, b in itertools.pairwise((1, *config.channels))
        )
        self.convolved = nn.ModuleList(Probe() for _ in config.channels)
        self.representation = Probe()
        self.width = config.channels[-1] * height * width
        self.unembed = Linear(self.width, signature.num_classes, bias=True)

    def forward(self, prepared: Tensor) -> Tensor:
        """Return logits [n, classes] of images [n, pixels]."""
        images = prepared.to(self.unembed.weight.dtype).unflatten(1, (1, *(self._image or ())))  # type: ignore[no-untyped-call]
        x = self.embeddings(images)
        for convolution, probe in zip(self.convolutions, self.convolved, strict=True):
            x = probe(F.max_pool2d(self._activation(convolution(x)), 2))
        logits: Tensor = self.unembed(self.representation(x.flatten(1)))
        return logits
