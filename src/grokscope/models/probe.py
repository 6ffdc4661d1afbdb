"""Probes: named places in a network where an activation can be read or replaced."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from grokscope.errors import ConfigError


class Probe(nn.Module):
    """The identity. A forward hook on it sees, or replaces, the activation that passes.

    A network whose probe is watched computes every example by itself, so the activation always
    has the examples as its first axis.
    """

    def forward(self, activation: Tensor) -> Tensor:
        """Return the activation."""
        return activation

    @property
    def watched(self) -> bool:
        """Whether a hook waits here."""
        return bool(self._forward_hooks)


class Gate(Probe):
    """The probe of a layer's gate, [n]; flops: what the layer costs for one example."""

    def __init__(self, flops: int) -> None:
        super().__init__()
        self.flops = flops

    def forward(self, activation: Tensor, soft: Tensor | None = None) -> Tensor:
        """Return the gate; soft: what stands in for it where it is a step function."""
        return _told(self, activation, activation if soft is None else soft)


class Routing(Probe):
    """The probe of a layer's routing weights, [n, heads]."""

    def forward(self, activation: Tensor) -> Tensor:
        """Return the weights."""
        return _told(self, activation, activation)


@dataclass(frozen=True)
class Signal:
    """What passed a Gate or a Routing; soft differs from value where a gate is all or nothing."""

    probe: Probe
    value: Tensor
    soft: Tensor


_heard: ContextVar[list[Signal] | None] = ContextVar("heard", default=None)


@contextmanager
def hear() -> Iterator[list[Signal]]:
    """Collect what passes the gates and routings of any network applied by this thread, in order.

    Unlike `capture` it needs no network and changes nothing of how one computes, so a penalty can
    hear a network that is mapped over many runs. Signals are attached to the graph.
    """
    signals: list[Signal] = []
    token = _heard.set(signals)
    try:
        yield signals
    finally:
        _heard.reset(token)


def _told(probe: Probe, value: Tensor, soft: Tensor) -> Tensor:
    signals = _heard.get()
    if signals is not None:
        signals.append(Signal(probe, value, soft))
    return value


def probes(network: nn.Module) -> dict[str, Probe]:
    """Return the probes of a network by name."""
    return {name: part for name, part in network.named_modules() if isinstance(part, Probe)}


@contextmanager
def capture(network: nn.Module, *names: str) -> Iterator[dict[str, Tensor]]:
    """Collect the activations of the named probes (all without names) in every forward pass.

    Yields a dict that each pass fills: name to tensor [n, ...], attached to the graph.
    Raises ConfigError for an unknown name.
    """
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[Tensor], Tensor]:
        def hook(activation: Tensor) -> Tensor:
            seen[name] = activation
            return activation

        return hook

    wanted = names or tuple(probes(network))
    with replace(network, {name: keep(name) for name in wanted}):
        yield seen


@contextmanager
def replace(
    network: nn.Module, changes: Mapping[str, Callable[[Tensor], Tensor] | Tensor]
) -> Iterator[None]:
    """Replace activations at named probes by a function of them, or by a tensor.

    Raises ConfigError for an unknown name.
    """
    found = probes(network)
    handles = []
    try:
        for name, change in changes.items():
            if name not in found:
                raise ConfigError(f"probe {name!r}: this network has {', '.join(sorted(found))}")
            handles.append(found[name].register_forward_hook(_hook(change)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(change: Callable[[Tensor], Tensor] | Tensor) -> Any:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return change(output) if callable(change) else change

    return hook
