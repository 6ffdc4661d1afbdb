"""The table of symbols that a network learns."""

from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.snapshot import Snapshot


def first_embedding(snapshot: Snapshot) -> Float[Tensor, "p d"]:
    """Return one row for each value of the first operand: its embedding, or its first-layer column.

    Raises ScienceError for a network with neither `embed.weight` nor `first.weight`.
    """
    factor = snapshot.problem.dataset.signature.factors[0]
    tensors = snapshot.tensors
    if "embed.weight" in tensors:
        return tensors["embed.weight"][factor.start : factor.start + factor.size].detach()
    if "first.weight" in tensors:
        return tensors["first.weight"].t()[: factor.size].detach()
    raise ScienceError(
        "this network has neither embed.weight nor first.weight: no table of symbols to read"
    )
