"""Models: PyTorch modules that see one run, with named probes."""

from grokscope.models.base import MODELS, Model, Network, initialize
from grokscope.models.init import Init
from grokscope.models.probe import Probe, capture, replace

__all__ = ["MODELS", "Init", "Model", "Network", "Probe", "capture", "initialize", "replace"]
