"""Which algorithm adds: clock or pizza (part of Q11; Zhong et al. 2023, arXiv:2306.17844)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.base import metric
from grokscope.models import replace
from grokscope.ops.streams import integers, stream
from grokscope.snapshot import Snapshot
from grokscope.tasks.grid import grid_size

GROUP = "Fourier"
SOURCE = "Zhong et al. 2023, arXiv:2306.17844"
TRIPLES = 1024
"""How many (a, b, c) the gradient symmetricity is a mean over."""


@metric(label="Gradient symmetricity", group=GROUP, cost="backward", source=SOURCE)
def gradient_symmetricity(snapshot: Snapshot) -> Tensor:
    """Mean cosine of ∂L_abc/∂E_a and ∂L_abc/∂E_b: 0 for an ideal clock, 1 for an ideal pizza.

    L_abc is the logit of c for the pair (a, b), E the embedding that both operands share. Over
    1,024 triples, drawn once from all pairs and classes; the paper takes 100 pairs. A gradient that
    vanishes counts as cosine 0. Raises ScienceError for a network without such an embedding.
    """
    problem = snapshot.problem
    factors = problem.dataset.signature.factors
    if "position.weight" not in snapshot.tensors or len(factors) < 2:
        raise ScienceError(
            "this network has no embedding that two operands share: it needs model.kind=transformer"
        )
    rows, classes = triples(snapshot)
    inputs = problem.dataset.inputs[rows].to(snapshot.params.device)
    seen: list[Tensor] = []

    def leaf(activation: Tensor) -> Tensor:
        seen.append(activation.detach().requires_grad_())
        return seen[-1]

    with replace(problem.network, {"embeddings": leaf}):
        logits = problem.network(problem.network.prepare(inputs, share=False))
    chosen = logits.gather(-1, classes.to(logits.device).unsqueeze(-1)).sum()
    gradient = torch.autograd.grad(chosen, seen[-1])[0].double()
    first, second = (gradient[:, factor.position] for factor in factors[:2])
    return F.cosine_similarity(first, second, dim=-1, eps=1e-300).mean()


@metric(label="Distance irrelevance", group=GROUP, cost="forward", source=SOURCE)
def distance_irrelevance(snapshot: Snapshot) -> Tensor:
    """Mean over d of std_i L[i, i+d], over std L, L the logit of the right answer for all pairs.

    0 where it depends on the distance of the operands alone, near 1 where distance is irrelevant;
    NaN where L is constant. Raises ScienceError for a task without all ordered pairs of residues.
    """
    problem = snapshot.problem
    p = grid_size(problem.task, "this task has no distances: distance_irrelevance")
    targets = problem.dataset.targets.to(snapshot.params.device)
    right = snapshot.all_logits.double().gather(1, targets.unsqueeze(1)).view(p, p)
    return irrelevance(right)


def irrelevance(right: Float[Tensor, "p p"]) -> Float[Tensor, ""]:
    """Return mean_d std_i L[i, i+d] / std L, with standard deviations over all and not n - 1."""
    p = len(right)
    i = torch.arange(p, device=right.device)
    diagonals = torch.stack([right[i, (i + d) % p] for d in range(p)])
    found: Tensor = diagonals.std(1, correction=0).mean() / right.std(correction=0)
    return found


def triples(snapshot: Snapshot) -> tuple[Tensor, Tensor]:
    """Return rows of the dataset and classes, fixed by the size of the task."""
    rng = stream(0, "gradient symmetricity")
    dataset = snapshot.problem.dataset
    rows = torch.from_numpy(integers(rng, TRIPLES, len(dataset)))
    return rows, torch.from_numpy(integers(rng, TRIPLES, dataset.signature.num_classes))
