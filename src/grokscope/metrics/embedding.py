"""The table of symbols that a network learns."""

from jaxtyping import Float
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.snapshot import Snapshot


def first_embedding(snapshot: Snapshot) -> Float[Tensor, "p d"]:
    """Return one row for each value of the first operand: its embedding, or its first-layer column.

    Raises ScienceError for a network with neither an embedding nor a first layer of symbols.
    """
    factor = next(iter(snapshot.problem.dataset.signature.factors), None)
    tensors = snapshot.tensors
    if factor is not None and "embed.weight" in tensors:
        return tensors["embed.weight"][factor.start : factor.start + factor.size].detach()
    for name in ("first.weight", "enter.weight"):
        if factor is not None and name in tensors:
            return tensors[name].t()[: factor.size].detach()
    raise ScienceError("this network has neither embed.weight nor first.weight of symbols to read")
