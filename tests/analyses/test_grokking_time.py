import math

import pytest

import grokscope
from grokscope.analyses.grokking_time import flops_per_step
from grokscope.config import load
from grokscope.errors import ScienceError
from grokscope.store import create

STEPS = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
TRAIN = [0.1, 0.5, 0.99, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
TEST = [0.1, 0.1, 0.2, 0.92, 0.5, 0.91, 0.96, 0.995, 0.97, 1.0]


@pytest.fixture
def run_of(tmp_path):
    """Return a function that stores a run with given curves; half a second a step."""

    def make(train, test, steps=STEPS, outcome="unfinished"):
        config = load("quick", ["task.p=7", "model.width=6"], environment={})
        with create(tmp_path / "made", config, {}) as writer:
            for step, a, b in zip(steps, train, test, strict=False):
                values = {"train_acc": a, "test_acc": b, "lookup_baseline": 0.4}
                writer.measured(step, values, step / 2)
            writer.finish(compact=True, state="finished", outcome=outcome, step=90)
        return grokscope.open(tmp_path / "made")

    return make


def test_crossings_are_those_counted_by_hand(run_of):
    result = run_of(TRAIN, TEST).analyze("grokking_time")
    found = result.scalars
    expected = {
        # .90 is reached at 30, lost at 40, and kept from 50 on.
        ("first", "0.90"): 30,
        ("sustained", "0.90"): 50,
        ("strict", "0.90"): 50,
        # .95 is reached at 60 and kept.
        ("first", "0.95"): 60,
        ("sustained", "0.95"): 60,
        ("strict", "0.95"): 60,
        # .99 is reached at 70, lost at 80, reached again at 90, never three times in a row.
        ("first", "0.99"): 70,
        ("sustained", "0.99"): None,
        ("strict", "0.99"): 90,
    }
    flops = found["flops_per_step"]
    assert found["memorized_at"] == 20
    for (kind, level), step in expected.items():
        name = f"{kind}_{level}"
        assert found[f"{name}_step"] == step
        assert found[f"{name}_seconds"] == (None if step is None else step / 2)
        assert found[f"{name}_flops"] == (None if step is None else step * flops)
        assert found[f"{name}_delay"] == (None if step is None else step - 20)
    assert found["last_step"] == 90
    assert found["lookup_baseline"] == 0.4
    assert result.arrays["levels"].tolist() == [0.90, 0.95, 0.99]
    assert result.arrays["crossings"][:2].tolist() == [[30, 50, 50], [60, 60, 60]]
    last = result.arrays["crossings"][2].tolist()
    assert (last[0], last[2]) == (70, 90)
    assert math.isnan(last[1])


@pytest.mark.parametrize(("k", "sustained"), [(1, 70), (2, None), (3, None)])
def test_k_says_how_many_evaluations_make_a_crossing_sustained(run_of, k, sustained):
    assert run_of(TRAIN, TEST).analyze("grokking_time", k=k).scalars["sustained_0.99_step"] == (
        sustained
    )


@pytest.mark.parametrize(("level", "step"), [(0.5, 10), (0.1, 0), (0.999, 30)])
def test_what_counts_as_memorized_is_an_option(run_of, level, step):
    found = run_of(TRAIN, TEST).analyze("grokking_time", memorized=level).scalars
    assert found["memorized_at"] == step
    assert found["first_0.90_delay"] == 30 - step


def test_a_run_that_never_memorized_has_crossings_and_no_delays(run_of):
    found = run_of([0.5] * 10, TEST).analyze("grokking_time").scalars
    assert found["memorized_at"] is None
    assert found["first_0.90_step"] == 30
    assert all(found[key] is None for key in found if key.endswith("_delay"))


def test_a_run_that_never_crossed_is_censored_at_its_last_step(run_of):
    result = run_of(TRAIN, [0.2] * 10)
    found = result.analyze("grokking_time").scalars
    assert found["last_step"] == 90
    crossings = [key for key in found if key.startswith(("first", "sustained", "strict"))]
    assert len(crossings) == 36
    assert all(found[key] is None for key in crossings)


def test_a_run_that_generalized_before_it_memorized_has_a_negative_delay(run_of):
    found = run_of([0.5] * 5 + [1.0] * 5, [1.0] * 10).analyze("grokking_time").scalars
    assert found["strict_0.99_step"] == 0
    assert found["strict_0.99_delay"] == -50


def test_a_run_without_measurements_has_no_grokking_time(run_of):
    with pytest.raises(ScienceError, match="made: nothing was measured yet"):
        run_of([], []).analyze("grokking_time")


def test_every_finished_run_has_the_result(tmp_path):
    run = grokscope.train("quick", ["task.p=7", "model.width=6", "steps=20"], out=tmp_path)
    stored = run.results()["grokking_time"]
    assert stored.scalars["last_step"] == 20
    assert stored.scalars["outcome"] == run.outcome


@pytest.mark.parametrize("p", [7, 13])
@pytest.mark.parametrize("size", [None, 8])
def test_flops_of_a_one_layer_network_on_one_hot_inputs(p, size):
    # A product of [m, k] and [k, n] takes 2mkn. For n examples, 2p inputs, w units, p classes:
    # forward 2n·2p·w and 2n·w·p; backward 2n·2p·w for the first matrix (its input needs no
    # gradient) and twice 2n·w·p for the second, for its weights and its input.
    w = 6
    overrides = [f"task.p={p}", f"model.width={w}", "data.train_fraction=0.5"]
    config = load("quick", [*overrides, f"batch.size={size or 'null'}"], environment={})
    n = size or p * p // 2
    expected = 2 * n * 2 * p * w + 2 * n * w * p + 2 * n * 2 * p * w + 2 * (2 * n * w * p)
    assert flops_per_step(config) == expected


@pytest.mark.parametrize("p", [7, 13])
def test_flops_of_a_one_layer_network_on_embedded_inputs(p):
    # As above with 2e inputs, which do need a gradient; looking up an embedding is no product.
    w, e = 6, 5
    overrides = [f"task.p={p}", "data.train_fraction=0.5"]
    model = f"model={{kind: mlp, inputs: embedded, d_embed: {e}, width: {w}}}"
    config = load("quick", [*overrides, model], environment={})
    n = p * p // 2
    assert flops_per_step(config) == 3 * (2 * n * 2 * e * w) + 3 * (2 * n * w * p)
