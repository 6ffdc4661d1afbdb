"""The network in the Fourier basis of its operands (Q10), while it trains."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.base import metric
from grokscope.metrics.embedding import first_embedding
from grokscope.models import Network
from grokscope.ops import circuit, fourier
from grokscope.snapshot import Snapshot
from grokscope.tasks.grid import modulus, sums

GROUP = "Fourier"
SOURCE = "Nanda et al. 2023, arXiv:2301.05217"
SHARE = 0.85
"""Share of a unit's variation in one frequency at which it counts as a unit of that frequency."""
LEAST = 0.01
"""Share of the units that make a frequency a key frequency."""
LOGIT_SHARE = 0.05
"""Share of the logits that makes one, in a network without hidden units."""


@dataclass(frozen=True)
class Circuit:
    """Logits of all pairs, what they are waves of, and the key frequencies of this snapshot.

    shares: of each frequency in each hidden unit, None without hidden units.
    """

    logits: Float[Tensor, "p p classes"]
    sums: Int[Tensor, "p p"]
    shares: Float[Tensor, "frequencies n"] | None
    keys: tuple[int, ...]


def circuit_of(
    snapshot: Snapshot, asked_by: str, *, share: float = SHARE, least: int | None = None
) -> Circuit:
    """Return what the Fourier measures read.

    Key frequencies are those that at least `least` hidden units (1 % of them by default) carry
    with at least `share` of their variation. A network without hidden units has those that are at
    least 5 % of the logits. Raises ScienceError for a task without all ordered pairs of residues
    and an answer ±a ± b.
    """
    if (share, least) == (SHARE, None) and snapshot in _seen:
        return _seen[snapshot]
    of_sums = sums(snapshot.problem.task, asked_by)
    p = len(of_sums)
    logits = snapshot.all_logits.reshape(p, p, -1)
    units = hidden_units(snapshot)
    if units is None:
        shares, found = None, circuit.sum_shares(logits, of_sums)
        keys = (torch.nonzero(found >= LOGIT_SHARE).flatten() + 1).tolist()
    else:
        shares = fourier.unit_shares(units)
        count = max(1, round(LEAST * units.shape[-1])) if least is None else least
        keys = circuit.carried(shares, share=share, least=count)
    result = Circuit(logits, of_sums, shares, tuple(keys))
    if (share, least) == (SHARE, None):
        _seen[snapshot] = result
    return result


_seen: WeakKeyDictionary[Snapshot, Circuit] = WeakKeyDictionary()


def hidden_probe(network: Network) -> str | None:
    """Return the name of the probe of the last layer of hidden units; None without one."""
    names = [name for name in network.probes if "hidden" in name.split(".")]
    return names[-1] if names else None


def hidden_units(snapshot: Snapshot) -> Float[Tensor, "p p n"] | None:
    """Return the last hidden units at the last position for all pairs; None without any."""
    name = hidden_probe(snapshot.problem.network)
    if name is None:
        return None
    found = snapshot.everywhere(name)
    p = modulus(snapshot.problem.task, "hidden units")
    return (found if found.ndim == 2 else found[:, -1]).reshape(p, p, -1)


def _bytes(snapshot: Snapshot) -> int:
    signature = snapshot.problem.dataset.signature
    width = max(1024, signature.num_classes)
    return 24 * len(snapshot.problem.dataset) * width


@metric(label="Gini of the embedding's waves", group=GROUP, source=SOURCE)
def embedding_gini(snapshot: Snapshot) -> Tensor:
    """Gini coefficient of the norms of the p - 1 waves cos k, sin k in the embedding of a.

    0 where all are alike, near 1 where the embedding uses few. Deviation: the constant is left out.
    """
    p = modulus(snapshot.problem.task, "embedding_gini")
    table = first_embedding(snapshot).double()
    norms = torch.linalg.vector_norm(fourier.basis(p).to(table.device) @ table, dim=1)
    return fourier.gini(norms[1:])


@metric(label="Inverse participation ratio", group=GROUP, source="measures: Fourier")
def embedding_participation(snapshot: Snapshot) -> Tensor:
    """Σ_k (|F_k|/‖F‖)⁴ of each dimension of the embedding of a, mean over dimensions.

    1 where each dimension is one wave; about 4/p for noise. Dimensions of zeros are left out.
    """
    modulus(snapshot.problem.task, "embedding_participation")
    columns = first_embedding(snapshot).t()
    kept = columns[columns.abs().amax(1) > 0]
    return fourier.inverse_participation(kept).mean() if len(kept) else columns.new_zeros(())


@metric(label="Key frequencies", group=GROUP, cost="forward", source=SOURCE, needs=_bytes)
def key_frequencies(snapshot: Snapshot) -> float:
    """Frequencies that 1 % of the hidden units carry with 85 % of their variation: how many.

    Those of the network at this step. Without hidden units: those that are 5 % of the logits. A
    quadratic unit cos² adds waves of twice its frequency and carries at most 80 %.
    """
    return len(circuit_of(snapshot, "key_frequencies").keys)


@metric(label="Units of one frequency", group=GROUP, cost="forward", source=SOURCE, needs=_bytes)
def single_frequency_units(snapshot: Snapshot) -> Tensor:
    """Share of the last hidden units with at least 85 % of their variation in one frequency.

    Units that never change count as having none. Raises ScienceError without hidden units.
    """
    shares = circuit_of(snapshot, "single_frequency_units").shares
    if shares is None:
        raise ScienceError("this network has no hidden units")
    return (shares.max(0).values >= SHARE).double().mean()


@metric(
    label="Restricted loss",
    group=GROUP,
    scale="log",
    cost="forward",
    source=SOURCE,
    needs=_bytes,
)
def restricted_loss(snapshot: Snapshot) -> dict[str, float]:
    """Cross-entropy on all pairs of the waves of the answer at the key frequencies, plus a bias.

    Also on train and test as `restricted_loss.train` and `.test`. Deviation: the key frequencies
    are those of the network at this step, for a run in training does not know its last; the
    analysis `fourier_circuit` takes those of the last. With none, only the bias answers.
    """
    found = circuit_of(snapshot, "restricted_loss")
    kept = circuit.restricted(found.logits, found.sums, found.keys)
    split = snapshot.problem.split
    both = torch.arange(len(split.targets))
    return {
        "restricted_loss": circuit.loss_of(kept, split.targets, both),
        "restricted_loss.train": circuit.loss_of(kept, split.targets, split.train),
        "restricted_loss.test": circuit.loss_of(kept, split.targets, split.test),
    }


@metric(
    label="Excluded loss", group=GROUP, scale="log", cost="forward", source=SOURCE, needs=_bytes
)
def excluded_loss(snapshot: Snapshot) -> float:
    """Cross-entropy on train of the logits without the waves of the answer at key frequencies.

    The key frequencies are those of the network at this step, as for `restricted_loss`; with none
    it is the training loss.
    """
    found = circuit_of(snapshot, "excluded_loss")
    left = circuit.excluded(found.logits, found.sums, found.keys)
    split = snapshot.problem.split
    return circuit.loss_of(left, split.targets, split.train)
