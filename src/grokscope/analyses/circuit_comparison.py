"""Do runs find the same algorithm? Their Fourier circuits side by side (A7)."""

from typing import Any

import polars as pl

from grokscope.errors import ConfigError
from grokscope.store import Runs

COLUMNS = (
    "key_count",
    "key_frequencies",
    "logits_in_keys",
    "embedding_in_keys",
    "single_frequency_units",
    "last_embedding_gini",
    "loss_test",
    "restricted_test",
    "excluded_train",
    "excluded_rise",
    "least_ablation",
    "restricted_at",
    "loss_at",
)


def circuit_comparison(runs: Runs, *, by: str = "optimizer.weight_decay") -> pl.DataFrame:
    """Return one row a run: what `by` was, how it ended, and its Fourier circuit.

    by: the dotted path of the configuration field that differs, such as the weight of a penalty:
    does pressure change the algorithm? A run without that field has null. `shared` is the number of
    key frequencies that all runs of the table have: seeds choose their own, so it says little
    unless the seed is the same. The circuits are those of the analysis `fourier_circuit` with its
    defaults, read back where they were made before.
    Raises ConfigError without runs or where no run has the field `by`.
    """
    if not len(runs):
        raise ConfigError("circuit_comparison: expected at least one run, got none")
    fields = runs.table().to_dicts()
    if not any(by in row for row in fields):
        raise ConfigError(f"circuit_comparison: by={by!r} is no field of these runs")
    rows: list[dict[str, Any]] = []
    common: set[str] | None = None
    for run, configured in zip(runs, fields, strict=True):
        found = run.analyze("fourier_circuit").scalars
        keys = set(found["key_frequencies"].split(", ")) - {"none"}
        common = keys if common is None else common & keys
        row = {"run": run.name, by: configured.get(by), "seed": run.config.seed}
        row |= {"outcome": run.outcome, "grokked_at": run.status.get("grokked_at")}
        rows.append(row | {name: found.get(name) for name in COLUMNS})
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(pl.lit(len(common or ())).alias("shared")).sort(by, "seed")
