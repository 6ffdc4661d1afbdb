"""From a configuration to the problem it describes."""

import torch
from torch import Tensor

from grokscope.config.schema import RunConfig
from grokscope.errors import ConfigError
from grokscope.objectives import Objective
from grokscope.problem import DYNAMICS, Problem


def problem_of(config: RunConfig, *, device: str | None = None) -> tuple[Problem, Tensor]:
    """Return the problem of a configuration and its initial parameters, a flat vector.

    The network is bound to that vector. `device` overrides the configuration's.
    Raises ConfigError where model, task and data do not fit together, or without the device.
    """
    device = device or config.device
    if (device == "cuda" and not torch.cuda.is_available()) or (
        device == "mps" and not torch.backends.mps.is_available()
    ):
        raise ConfigError(f"device: {device} is not available on this machine; take cpu")
    return DYNAMICS[config.dynamics].build(
        task=config.task,
        data=config.data,
        model=config.model,
        objective=Objective(config.loss, config.penalties, config.precision.loss_dtype),
        seed=config.seed,
        dtype=config.precision.parameter_dtype,
        device=device,
    )
