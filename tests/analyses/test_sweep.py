import dataclasses
import json
import math

import numpy as np
import pytest

from grokscope.analyses.outcomes import Outcomes, varying
from grokscope.analyses.sweep import analyze, write_summary
from grokscope.analyses.verdicts import judge
from grokscope.config import load
from grokscope.errors import ConfigError, ScienceError
from grokscope.store import create, open_all

LAST = 10_000


def make(folder, groups, *, outcome="memorized", p=17):
    """Write runs: for each weight decay a list of grokking steps, None where it was not seen."""
    base = load("quick", [f"task.p={p}"], environment={})
    for decay, times in groups.items():
        for seed, at in enumerate(times):
            optimizer = dataclasses.replace(base.optimizer, weight_decay=decay)
            config = dataclasses.replace(base, seed=seed, optimizer=optimizer)
            last = {"test_acc": 1.0 if at else 0.1, "weight_norm": 10 * decay + seed / 100}
            with create(folder / f"p{p}-wd{decay}-s{seed}", config, {}) as writer:
                for step in (0, 10, *([at] if at else []), LAST):
                    right = at is not None and step >= at
                    writer.measured(step, {"train_acc": 1.0, "test_acc": float(right)}, 0.0)
                writer.finish(
                    compact=True,
                    state="finished",
                    step=LAST,
                    grokked_at=at,
                    memorized_at=10,
                    outcome=outcome if at is None else "grokked",
                    last=last,
                )
    return open_all(folder)


TIMES = {
    0.5: [7000, 8000, 9000, 9500, None, None],
    1.0: [5000, 5100, 5200, 5300, 5500, 5600],
    2.0: [1000, 1100, 1200, 1250, 1300, 1400],
    4.0: [1010, 1090, 1210, 1240, 1310, 1390],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return make(tmp_path_factory.mktemp("sweep"), TIMES)


@pytest.fixture(scope="module")
def outcomes(runs):
    return Outcomes.of(runs)


@pytest.mark.parametrize(
    ("hypothesis", "verdict"),
    [
        ("median(grokked_at | weight_decay=2) < median(grokked_at | weight_decay=1)", "holds"),
        ("median(grokked_at | weight_decay=2) > median(grokked_at | weight_decay=1)", "fails"),
        ("median(grokked_at | weight_decay=2) < median(grokked_at | weight_decay=4)", "undecided"),
        ("median(grokked_at | weight_decay=1) < median(grokked_at | weight_decay=0.5)", "holds"),
        ("rmst(grokked_at | weight_decay=1) < rmst(grokked_at | weight_decay=0.5)", "holds"),
        ("rmst(grokked_at | weight_decay=1) <= rmst(grokked_at | weight_decay=2)", "fails"),
        ("mean(weight_norm | weight_decay=1) < mean(weight_norm | weight_decay=2)", "holds"),
        ("last(weight_norm | weight_decay=4) < last(weight_norm | weight_decay=2)", "fails"),
        ("median(weight_norm | weight_decay=1) < median(weight_norm | weight_decay=2)", "holds"),
        ("mean(grokked_at | weight_decay=2) < mean(grokked_at | weight_decay=1)", "holds"),
        ("mean(grokked_at | weight_decay=1) < mean(grokked_at | weight_decay=0.5)", "undecided"),
        ("success(weight_decay=2) >= 0.6", "holds"),
        ("success(weight_decay=2) < 0.6", "fails"),
        ("success(weight_decay=0.5) < success(weight_decay=2)", "undecided"),
        ("median(grokked_at | weight_decay=2) < 3000", "holds"),
        ("3000 < median(grokked_at | weight_decay=2)", "fails"),
        ("median(grokked_at | weight_decay=2) < 1205", "undecided"),
        ("rmst(grokked_at | weight_decay=2) < 3000", "holds"),
        ("mean(test_acc | weight_decay=2) >= 0.99", "holds"),
        (
            "median(grokked_at | weight_decay=2) < median(grokked_at | weight_decay=1) < "
            "median(grokked_at | weight_decay=0.5)",
            "holds",
        ),
        ("success(weight_decay=2) > 0.6 > success(weight_decay=1)", "fails"),
        (
            "median(first_0.95 | weight_decay=2) < median(first_0.95 | weight_decay=1)",
            "holds",
        ),
        ("success(weight_decay=7) > 0.1", "undecided"),
    ],
)
def test_a_hypothesis_gets_its_verdict(outcomes, hypothesis, verdict):
    found = judge(hypothesis, outcomes)
    assert found.verdict == verdict, found.comparisons
    assert len(found.comparisons) == len([c for c in hypothesis.split() if c[0] in "<>"])


def test_a_verdict_has_the_numbers(outcomes):
    hypothesis = "median(grokked_at | weight_decay=2) < median(grokked_at | weight_decay=1)"
    (one,) = judge(hypothesis, outcomes).comparisons
    assert (one.left.value, one.right.value) == (1225.0, 5250.0)
    assert one.difference.value == -4025.0
    assert -5600 + 1000 <= one.difference.low <= -4025 <= one.difference.high <= -5000 + 1400
    assert one.p == pytest.approx(2 / math.comb(12, 6))
    assert "1,225 (seen in 6 of 6 runs) against 5,250" in one.words
    assert "permutation" in one.method


def test_three_against_three_runs_decide_nothing_and_say_so(tmp_path):
    found = make(tmp_path, {1.0: [5000, 5100, 5200], 2.0: [1000, 1100, 1200]})
    asked = "median(grokked_at | weight_decay=2) < median(grokked_at | weight_decay=1)"
    verdict = judge(asked, Outcomes.of(found))
    assert verdict.verdict == "undecided"
    assert "3 against 3 runs cannot decide: their p is at least 0.1" in verdict.comparisons[0].words


def test_a_median_not_reached_is_later_than_the_last_step(tmp_path):
    found = Outcomes.of(make(tmp_path, {0.0: [None] * 5, 2.0: [900, 1000, 1100, 1200, 1300]}))
    asked = "median(grokked_at | weight_decay={}) < median(grokked_at | weight_decay={})"
    assert judge(asked.format(2, 0), found).verdict == "holds"
    assert judge(asked.format(0, 2), found).verdict == "fails"
    assert judge(asked.format(0, 2), found).comparisons[0].left.value == math.inf


def test_two_medians_not_reached_are_undecided(tmp_path):
    found = Outcomes.of(make(tmp_path, {0.0: [None] * 5, 0.5: [None] * 5}))
    asked = "median(grokked_at | weight_decay=0.5) < median(grokked_at | weight_decay=0)"
    assert judge(asked, found).verdict == "undecided"
    assert "neither median was reached" in judge(asked, found).comparisons[0].words


def test_sides_that_share_runs_or_are_of_two_kinds_are_refused(outcomes):
    with pytest.raises(ScienceError, match="share 6 runs; compare groups that are apart"):
        judge("success(weight_decay=2) < success(all)", outcomes)
    with pytest.raises(ScienceError, match="are different statistics"):
        judge("success(weight_decay=2) < mean(test_acc | weight_decay=1)", outcomes)


def test_an_unknown_field_is_refused(outcomes):
    with pytest.raises(ConfigError, match="weight_deca: no run has such a field; did you mean"):
        judge("success(weight_deca=2) > 0.5", outcomes)


def test_of_equal_groups_few_are_told_apart():
    # The small version of docs/verdict_rates.py, which draws 1,000; see docs/sweeps.md.
    from grokscope.analyses.estimates import difference
    from grokscope.analyses.verdicts import _decide

    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(60):
        times = rng.exponential(5000, (2, 6))
        (one, other) = [(np.minimum(t, LAST), t < LAST) for t in times]
        wrong += _decide("<", *difference("median", one, other)) != "undecided"
    assert wrong <= 7  # of 60 at 5 %: more than 7 with a probability below 1 %


def test_groups_have_their_estimates(runs):
    found = analyze(runs)
    groups = found.groups
    assert groups["optimizer.weight_decay"].to_list() == [0.5, 1.0, 2.0, 4.0]
    assert groups["grokked"].to_list() == [4, 6, 6, 6]
    assert groups["memorized"].to_list() == [2, 0, 0, 0]
    assert groups["median"].to_list() == [9250.0, 5250.0, 1225.0, 1225.0]
    assert groups["median_first"].to_list() == [9250.0, 5250.0, 1225.0, 1225.0]
    assert groups["median_sustained"].to_list() == [math.inf] * 4  # three evaluations never came
    expected = [np.mean([t or LAST for t in TIMES[decay]]) for decay in TIMES]
    assert groups["rmst"].to_list() == pytest.approx(expected)
    assert len(found.runs) == 24


def test_the_slope_is_that_of_least_squares_on_logarithms(runs):
    (row,) = analyze(runs).summary["slopes"]
    expected = np.polyfit(np.log([0.5, 1, 2, 4]), np.log([9250, 5250, 1225, 1225]), 1)
    assert (row["slope"], row["intercept"]) == pytest.approx(tuple(expected))
    assert row["low"] < row["slope"] < row["high"]
    assert row["left_out"] == []


def test_a_slope_leaves_out_what_was_not_reached_and_says_so(tmp_path):
    times = {0.0: [9000], 0.5: [None], 1.0: [4000], 2.0: [2000]}
    (row,) = analyze(make(tmp_path, times)).summary["slopes"]
    assert row["slope"] == pytest.approx(-1)
    assert row["left_out"] == ["weight_decay=0", "weight_decay=0.5"]
    assert (row["low"], row["high"]) == (-math.inf, math.inf)


def test_what_varies_is_found_and_labels_do_not_count(tmp_path):
    make(tmp_path, {1.0: [5], 2.0: [6]})
    found = make(tmp_path, {1.0: [5, 7]}, p=19)
    assert varying(found) == ["seed", "task.p", "optimizer.weight_decay"]
    assert [g.label for g in Outcomes.of(found).groups] == [
        "p=17, weight_decay=1",
        "p=17, weight_decay=2",
        "p=19, weight_decay=1",
    ]


def test_diverged_runs_are_censored_and_told_apart(tmp_path):
    (group,) = analyze(make(tmp_path, {1.0: [None, 100]}, outcome="diverged")).summary["groups"]
    assert (group["diverged"], group["memorized"], group["grokked"]) == (1, 0, 1)


def test_a_summary_is_written_as_json_without_infinities(runs, tmp_path):
    hypotheses = ["success(all) > 0.5"]
    found = analyze(runs, hypotheses).summary
    path = write_summary(tmp_path, found)
    content = json.loads(path.read_bytes())
    assert path.name == "analysis_summary.json"
    assert content["hypotheses"][0]["verdict"] == "holds"
    assert content["groups"][0]["median_high"] is None
    assert [row["run"] for row in content["runs"]] == [run.name for run in runs]


def test_no_run_is_refused():
    with pytest.raises(ScienceError, match="there is no run to analyze"):
        analyze([])
