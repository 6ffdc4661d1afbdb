"""The Fourier circuit of a run: which frequencies it uses, and when they begin to work (A7)."""

from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from grokscope.errors import ScienceError
from grokscope.metrics.embedding import first_embedding
from grokscope.metrics.fourier import SHARE, Circuit, circuit_of
from grokscope.ops import circuit, fourier
from grokscope.snapshot import Snapshot
from grokscope.store.results import Arrays, analysis
from grokscope.store.run import Run
from grokscope.tasks.grid import sums
from grokscope.typing import Ge, Gt, Le

SIDES = ("train", "test", "all")


@analysis(label="Fourier circuit", source="Nanda et al. 2023, arXiv:2301.05217")
def fourier_circuit(
    run: Run,
    *,
    share: Annotated[float, Gt(0), Le(1)] = SHARE,
    least: Annotated[int, Ge(1)] | None = None,
) -> tuple[dict[str, Any], Arrays]:
    """Return the network in the Fourier basis at every checkpoint, with the last key frequencies.

    Key frequencies are those that at least `least` hidden units (1 % of them by default) of the
    last checkpoint carry with at least `share` of their variation; without hidden units, those that
    are 5 % of the logits. Quadratic units carry at most .8, so ask for share=0.75 there. Losses are
    cross-entropies in nats, computed in float64, on train, test and all pairs.

    Arrays over checkpoints (`steps`): `loss_<side>`; `restricted_<side>`, of the waves of the
    answer at the key frequencies alone; `excluded_<side>`, of the logits without them;
    `excluded_each` [steps, k], on train without one frequency; `embedding_shares` and
    `logit_shares` [steps, k], shares of the energy but for constants; `units` [steps, k], how many
    hidden units carry each; `embedding_gini`. Of the last checkpoint: `ablation_<side>` [k], the
    loss without one frequency; `unit_frequency` and `unit_share`; `embedding_map` [waves, d] in the
    basis 1, cos 1, sin 1 …; `logit_map` [k, l], root of the energy of the logits in the waves of
    frequency k in a and l in b, over that of all but the constant.
    Scalars with `_at`: the first checkpoint from which on a test loss is below half of chance,
    ½ ln p. `excluded_rise`: last excluded loss over its smallest; `least_ablation`: the smallest
    factor by which taking out one key frequency raises the loss on all pairs.
    Raises ScienceError for a task that is not ±a ± b over all ordered pairs of residues.
    """
    sums(run.config.task, "fourier_circuit")
    if not run.steps:
        raise ScienceError(f"{run.path}: fourier_circuit: no checkpoint was saved yet")
    last = run.snapshot()
    found = circuit_of(last, "fourier_circuit", share=share, least=least)
    rows = [_at(run.snapshot(step), found, share) for step in run.steps]
    arrays: Arrays = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    arrays |= _ablations(last, found) | _maps(last, found)
    arrays["steps"] = np.array(run.steps)
    arrays["frequencies"] = np.arange(1, len(found.sums) // 2 + 1)
    arrays["key_frequencies"] = np.array(found.keys, dtype=np.int64)
    return _scalars(found, arrays, share=share, least=least), arrays


def _scalars(found: Circuit, arrays: Arrays, *, share: float, least: int | None) -> dict[str, Any]:
    """Return what the arrays say in single numbers."""
    keys = arrays["key_frequencies"] - 1
    half = circuit.chance(found.logits.shape[-1]) / 2
    scalars: dict[str, Any] = {
        "p": len(found.sums),
        "key_frequencies": ", ".join(str(k) for k in found.keys) or "none",
        "key_count": len(found.keys),
        "keys_from": "logits" if found.shares is None else "hidden units",
        "share": share,
        "least": least,
        "logits_in_keys": float(arrays["logit_shares"][-1][keys].sum()),
        "embedding_in_keys": float(arrays["embedding_shares"][-1][keys].sum()),
        "first_embedding_gini": float(arrays["embedding_gini"][0]),
        "last_embedding_gini": float(arrays["embedding_gini"][-1]),
    }
    if found.shares is not None:
        scalars["single_frequency_units"] = float((arrays["unit_share"] >= share).mean())
    for name in ("loss", "restricted", "excluded"):
        scalars |= {f"{name}_{side}": float(arrays[f"{name}_{side}"][-1]) for side in SIDES}
    scalars["loss_at"] = _below(arrays["steps"], arrays["loss_test"], half)
    scalars["restricted_at"] = _below(arrays["steps"], arrays["restricted_test"], half)
    scalars["excluded_rise"] = float(arrays["excluded_train"][-1] / arrays["excluded_train"].min())
    rises = arrays["ablation_all"][keys] / arrays["loss_all"][-1]
    scalars["least_ablation"] = float(rises.min()) if len(rises) else None
    return scalars


def _below(steps: Any, losses: Any, level: float) -> int | None:
    """Return the first step from which on every loss is below a level."""
    above = np.flatnonzero(~(losses < level))
    first = int(above[-1]) + 1 if len(above) else 0
    return int(steps[first]) if first < len(steps) else None


def _at(snapshot: Snapshot, last: Circuit, share: float) -> dict[str, Any]:
    """Return what is followed over training, with the key frequencies of the last checkpoint."""
    here = circuit_of(snapshot, "fourier_circuit")
    split = snapshot.problem.split
    row: dict[str, Any] = {}
    kinds = {
        "loss": here.logits.double(),
        "restricted": circuit.restricted(here.logits, here.sums, last.keys),
        "excluded": circuit.excluded(here.logits, here.sums, last.keys),
    }
    for name, logits in kinds.items():
        for side, rows in _rows(snapshot).items():
            row[f"{name}_{side}"] = circuit.loss_of(logits, split.targets, rows)
    row["excluded_each"] = _without_each(snapshot, here, split.train)
    row["logit_shares"] = circuit.sum_shares(here.logits, here.sums).numpy()
    energies = fourier.spectrum(first_embedding(snapshot))[1:]
    row["embedding_shares"] = (energies / energies.sum()).numpy()
    norms = (fourier.basis(len(here.sums)) @ first_embedding(snapshot).double()).norm(dim=1)
    row["embedding_gini"] = float(fourier.gini(norms[1:]))
    if here.shares is not None:
        best = here.shares.max(0)
        counted = best.indices[best.values >= share]
        row["units"] = torch.bincount(counted, minlength=len(here.shares)).numpy()
    return row


def _rows(snapshot: Snapshot) -> dict[str, Tensor]:
    split = snapshot.problem.split
    return {"train": split.train, "test": split.test, "all": torch.arange(len(split.targets))}


def _without_each(snapshot: Snapshot, here: Circuit, rows: Tensor) -> list[float]:
    """Return the loss on some pairs without each frequency 1 … p/2 in turn."""
    targets, p = snapshot.problem.split.targets, len(here.sums)
    some, of_sums = here.logits.reshape(p * p, -1)[rows].double(), here.sums.flatten()[rows]
    means = circuit.along_sums(here.logits, here.sums)
    losses = []
    for k in range(1, p // 2 + 1):
        left = some - (circuit.projector(p, [k]) @ means)[of_sums]
        losses.append(float(F.cross_entropy(left, targets[rows])))
    return losses


def _ablations(snapshot: Snapshot, found: Circuit) -> Arrays:
    return {
        f"ablation_{side}": np.array(_without_each(snapshot, found, rows))
        for side, rows in _rows(snapshot).items()
    }


def _maps(snapshot: Snapshot, found: Circuit) -> Arrays:
    """Return the embedding and the logits of the last checkpoint in the Fourier basis."""
    table = first_embedding(snapshot).double()
    energies = fourier.by_frequencies(found.logits).sum(-1)
    total = energies.sum() - energies[0, 0]
    energies[0, 0] = 0
    arrays: Arrays = {
        "embedding_map": (fourier.basis(len(table)) @ table).numpy(),
        "logit_map": (energies / total).sqrt().numpy(),
    }
    if found.shares is not None:
        best = found.shares.max(0)
        arrays |= {"unit_frequency": (best.indices + 1).numpy(), "unit_share": best.values.numpy()}
    return arrays
