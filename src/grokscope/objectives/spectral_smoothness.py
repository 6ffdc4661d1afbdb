"""The spectral smoothness penalty."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from torch import Tensor

from grokscope.models import Network
from grokscope.objectives.base import PENALTIES, Penalty, View
from grokscope.objectives.torus_laplacian import function_of_pairs
from grokscope.ops.fourier import energies, smooth_share
from grokscope.tasks import Task
from grokscope.tasks.grid import grid_size
from grokscope.typing import Gt, Lt, Named


@PENALTIES.register
@dataclass(frozen=True, kw_only=True)
class SpectralSmoothness(Penalty):
    """The share of the 2-D Fourier energy at high wave numbers: 0 is smooth, 1 rough.

    The function is that of all p² pairs to the logits, without its constant part. It sees the
    inputs of the test set too, but no answer.
    """

    kind: Literal["spectral_smoothness"] = "spectral_smoothness"
    of: Literal["logits", "representation"] = "logits"
    """What is asked to be smooth: the logits, or what the unembedding reads."""
    smooth_below: Annotated[float, Gt(0), Lt(1)] = 0.5
    """Wave numbers min(k, p - k) up to this fraction of p/2, along a and along b, are smooth."""
    views: ClassVar[bool] = True

    def check(self, task: Task, network: Network) -> None:
        """Raise ScienceError for a task without all ordered pairs of residues."""
        grid_size(task, "penalties: spectral_smoothness")

    def value(self, apply: Callable[[Any], Tensor], params: Named, prepared: View) -> Tensor:
        """Return the share of rough energy over all pairs."""
        p = prepared.operands[0]
        grid = function_of_pairs(self.of, apply, prepared).reshape(p, p, -1)
        return 1 - smooth_share(energies(grid), cutoff=int(self.smooth_below * (p // 2)))
