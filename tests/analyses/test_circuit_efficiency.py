import numpy as np
import pytest
import torch
from scipy import stats

import grokscope
from grokscope.analyses.circuit_efficiency import margins
from grokscope.errors import ScienceError

SMALL = ["task.p=5", "model.width=6", "data.train_fraction=0.5", "stop=never", "steps=60"]
SAVED = "checkpoint.early=[0,20,40]"


def targets_of(p):
    return torch.tensor([(a + b) % p for a in range(p) for b in range(p)])


def test_a_rule_and_a_table_are_told_apart():
    p, train = 7, torch.tensor([0, 3, 10, 11, 40])
    targets = targets_of(p)
    rule = torch.full((49, 7), -1.0, dtype=torch.float64)
    rule[torch.arange(49), targets] = 5.0
    table = torch.zeros(49, 7, dtype=torch.float64)
    table[train, targets[train]] = 4.0
    assert margins(rule, targets, train) == pytest.approx((6.0, 0.0), abs=1e-12)
    # The table reaches the mean over all pairs by 5 of 49, and that share is taken for a rule.
    found = margins(table, targets, train)
    assert found == pytest.approx((4 * 5 / 49, 4 - 4 * 5 / 49), rel=1e-12)
    both = margins(rule + table, targets, train)
    assert both == pytest.approx((6 + found[0], found[1]), rel=1e-12)


def test_the_analysis_follows_the_checkpoints(tmp_path):
    run = grokscope.train("quick", [*SMALL, SAVED], out=tmp_path)
    found = run.analyze("circuit_efficiency")
    assert found.arrays["steps"].tolist() == run.steps
    for i, step in enumerate(run.steps):
        snapshot = run.snapshot(step)
        logits, split = snapshot.all_logits.double().numpy(), snapshot.problem.split
        answers = targets_of(5).tolist()
        means = [
            np.mean([row[(y + d) % 5] for row, y in zip(logits, answers, strict=True)])
            for d in range(5)
        ]
        general = means[0] - np.mean(means[1:])
        memory = np.mean(
            [logits[t][answers[t]] - np.delete(logits[t], answers[t]).mean() for t in split.train]
        )
        assert found.arrays["generalizing"][i] == pytest.approx(general, rel=1e-6, abs=1e-7)
        assert found.arrays["memorizing"][i] == pytest.approx(memory - general, rel=1e-5, abs=1e-6)
        norm = float(snapshot.params.double().square().sum().sqrt())
        assert found.arrays["efficiency"][i] == pytest.approx(general / norm, rel=1e-6, abs=1e-7)
    rank = stats.spearmanr(found.arrays["weight_norm"], found.arrays["efficiency"]).statistic
    assert found.scalars["rank.weight_norm"] == pytest.approx(rank)


def test_runs_without_a_torus_or_checkpoints_are_refused(tmp_path):
    short = [*SMALL[:-1], "steps=2"]
    run = grokscope.train("quick", [*short, "task.pairs=unordered"], out=tmp_path)
    with pytest.raises(ScienceError, match="circuit_efficiency: needs all 25 ordered pairs"):
        run.analyze("circuit_efficiency")
    run = grokscope.train("quick", short, out=tmp_path)
    with pytest.raises(ScienceError, match="circuit_efficiency: needs three checkpoints"):
        run.analyze("circuit_efficiency")
