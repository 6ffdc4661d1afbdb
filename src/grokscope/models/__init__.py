"""Models: PyTorch modules that see one run, with named probes."""

from grokscope.models.base import MODELS, Model, Network, initialize
from grokscope.models.init import Init
from grokscope.models.probe import Gate, Probe, Routing, Signal, capture, hear, replace

__all__ = [
    "MODELS",
    "Gate",
    "Init",
    "Model",
    "Network",
    "Probe",
    "Routing",
    "Signal",
    "capture",
    "hear",
    "initialize",
    "replace",
]
