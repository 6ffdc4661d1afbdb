import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import grokscope
from grokscope.analyses.activation_surface import diagonal_waves, surface_json, write_surface
from grokscope.analyses.circuit_comparison import circuit_comparison
from grokscope.analyses.phases import PHASES, ordered, phase_of, spans
from grokscope.errors import ConfigError, ScienceError
from grokscope.ops import laplacian
from grokscope.ops.fourier import energies
from grokscope.store import Runs

ANALYSES = ["fourier_circuit", "activation_surface", "laplacian_spectrum"]


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    out = tmp_path_factory.mktemp("products")
    changes = ["task.p=5", "task.operation=multiply", "model.width=6", "steps=20", "stop=never"]
    return grokscope.train("quick", changes, out=out)


def test_losses_over_checkpoints_are_those_of_the_logits(runs):
    run = runs["circuit"]
    found = run.analyze("fourier_circuit", share=0.5, least=1)
    arrays, keys = found.arrays, found.arrays["key_frequencies"].tolist()
    assert keys
    assert found.scalars["key_frequencies"] == ", ".join(map(str, keys))
    assert arrays["steps"].tolist() == run.steps == [0, 10, 20, 30]
    a = torch.arange(7)
    total = (a.unsqueeze(1) + a).flatten().double()
    for i, step in enumerate(run.steps):
        snapshot = run.snapshot(step)
        logits, split = snapshot.all_logits.double(), snapshot.problem.split
        parts = {}
        for k in (1, 2, 3):
            angle = 2 * math.pi * k * total / 7
            waves = torch.stack([angle.cos(), angle.sin()]) / math.sqrt(49 / 2)
            parts[k] = waves.t() @ (waves @ logits)
        kept = sum(parts[k] for k in keys)
        kinds = {
            "loss": logits,
            "restricted": kept + (logits - kept).mean(0),
            "excluded": logits - kept,
        }
        sides = {"train": split.train, "test": split.test, "all": torch.arange(49)}
        for name, values in kinds.items():
            for side, rows in sides.items():
                expected = F.cross_entropy(values[rows], split.targets[rows]).item()
                assert arrays[f"{name}_{side}"][i] == pytest.approx(expected, rel=1e-9)
        for k, part in parts.items():
            rows = split.train
            expected = F.cross_entropy((logits - part)[rows], split.targets[rows]).item()
            assert arrays["excluded_each"][i, k - 1] == pytest.approx(expected, rel=1e-9)
            centered = logits - logits.mean(0)
            share = part.square().sum() / centered.square().sum()
            assert arrays["logit_shares"][i, k - 1] == pytest.approx(share.item(), rel=1e-9)
    for k, part in parts.items():
        expected = F.cross_entropy(logits - part, split.targets).item()
        assert arrays["ablation_all"][k - 1] == pytest.approx(expected, rel=1e-9)
    ratio = min(arrays["ablation_all"][k - 1] for k in keys) / arrays["loss_all"][-1]
    assert found.scalars["least_ablation"] == pytest.approx(ratio)
    assert np.square(arrays["logit_map"]).sum() == pytest.approx(1.0)
    table = run.snapshot().tensors["first.weight"].t()[:7].double()
    assert np.square(arrays["embedding_map"]).sum() == pytest.approx(table.square().sum().item())


def test_a_surface_is_the_activation_of_a_unit(runs):
    run = runs["circuit"]
    found = run.analyze("activation_surface", step=20, unit=4)
    snapshot = run.snapshot(20)
    problem = snapshot.problem
    hidden = problem.activation("hidden.0", problem.train)
    operands = problem.dataset.operands()[problem.split.train].tolist()
    for row, (a, b) in zip(hidden[:, 4].tolist(), operands, strict=True):
        assert found.arrays["surface"][a, b] == pytest.approx(row)
    profile = [
        np.mean([found.arrays["surface"][a, (s - a) % 7] for a in range(7)]) for s in range(7)
    ]
    assert found.arrays["sum_profile"].tolist() == pytest.approx(profile)
    waves = np.abs(np.fft.rfft(profile))[1:] ** 2
    assert found.arrays["sum_spectrum"].tolist() == pytest.approx((waves / waves.sum()).tolist())
    assert found.scalars["sum_strength"] == pytest.approx(waves.max() / waves.sum())
    logits = run.analyze("activation_surface", probe="logits", unit=2).arrays["surface"]
    expected = run.snapshot().all_logits[:, 2].reshape(7, 7)
    assert logits.tolist() == [pytest.approx(row) for row in expected.tolist()]


@pytest.mark.parametrize("k", [1, 4])
def test_a_wave_of_the_sum_has_all_its_strength_on_that_diagonal(k):
    a = torch.arange(11)
    add, subtract = (a.unsqueeze(1) + a) % 11, (a.unsqueeze(1) - a) % 11
    surface = (2 * math.pi * k * add / 11 + 0.3).cos().double() + 5
    profile, spectrum, part = diagonal_waves(surface, add)
    assert profile.tolist() == pytest.approx(
        [math.cos(2 * math.pi * k * s / 11 + 0.3) + 5 for s in range(11)]
    )
    assert spectrum.tolist() == pytest.approx([float(n == k) for n in range(1, 6)], abs=1e-9)
    assert part == pytest.approx(1.0)
    assert diagonal_waves(surface, subtract)[2] == pytest.approx(0.0, abs=1e-12)


def test_a_surface_is_exported_as_json(runs, tmp_path):
    found = runs["circuit"].analyze("activation_surface", unit=1)
    write_surface(found, tmp_path / "surface.json")
    content = json.loads((tmp_path / "surface.json").read_text())
    assert content["scalars"] == found.scalars
    assert content["arrays"]["surface"] == found.arrays["surface"].tolist()
    with pytest.raises(FileExistsError, match=r"surface\.json"):
        write_surface(found, tmp_path / "surface.json")
    flat = grokscope.store.results.Result("activation_surface", {}, {"x": np.array([np.nan, 1.0])})
    assert json.loads(surface_json(flat))["arrays"] == {"x": [None, 1.0]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": 6}, r"unit: hidden\.0 has 6 units, counted from 0; got 6"),
        ({"probe": "hiden"}, r"probe 'hiden': this network has logits, embeddings, hidden\.0"),
        ({"step": 11}, "no checkpoint at step 11; the nearest is 10"),
    ],
)
def test_a_surface_of_nothing_is_refused(runs, options, message):
    with pytest.raises(ConfigError, match=message):
        runs["circuit"].analyze("activation_surface", **options)


def test_a_torus_spectrum_keeps_every_mode_of_every_checkpoint(runs):
    run = runs["circuit"]
    found = run.analyze("laplacian_spectrum", of="representation", count=4)
    arrays = found.arrays
    assert found.scalars["low_modes"] == 4
    values = laplacian.eigenvalues(7).numpy()
    for i, step in enumerate(run.steps):
        grid = run.snapshot(step).everywhere("representation").double().reshape(7, 7, -1)
        modes = np.abs(np.fft.fft2(grid.numpy(), axes=(0, 1), norm="ortho")) ** 2
        assert arrays["energies"][i] == pytest.approx(modes.sum(-1), rel=1e-9)
        modes[0, 0] = 0
        low = values <= values[0, 1] + 1e-9
        low[0, 0] = False
        share = modes[low].sum() / modes.sum()
        assert arrays["low_share"][i] == pytest.approx(share)
        each = modes[low].sum(0) / modes.sum((0, 1))
        assert arrays["dimension_shares"][i] == pytest.approx(each, nan_ok=True)
        rough = (values * modes.sum(-1)).sum() / modes.sum()
        assert arrays["roughness"][i] == pytest.approx(rough)
        shares = []
        for k in range(1, 7):
            index = np.arange(7) * k % 7
            turned = energies(grid[index][:, index]).numpy()
            turned[0, 0] = 0
            shares.append(turned[low].sum() / turned.sum())
        assert arrays["best_low_share"][i] == pytest.approx(max(shares))
        assert shares[arrays["best_k"][i] - 1] == pytest.approx(max(shares))
    assert arrays["bands"].sum(1) == pytest.approx(np.ones(4))
    assert arrays["best_bands"].sum(1) == pytest.approx(np.ones(4))
    band = (values[values < 0.5].max() + 1e-9) // 0.1
    assert arrays["bands"][:, : int(band) + 1].sum(1) == pytest.approx(
        [x[values < 0.5].sum() / x.sum() for x in _without_zero(arrays["energies"])]
    )


def _without_zero(modes):
    modes = modes.copy()
    modes[:, 0, 0] = 0
    return modes


@pytest.mark.parametrize("name", ANALYSES[::2])
def test_a_task_that_does_not_turn_is_refused(other, name):
    with pytest.raises(ScienceError, match=f"^{name}: needs an answer ±a ± b modulo 5"):
        other.analyze(name)


def test_phases_without_waves_are_judged_by_the_weight_norm(other):
    found = other.analyze("phases")
    assert found.scalars["judged_by"] == "accuracy and weight norm"
    assert found.scalars["because"].startswith("fourier_circuit: needs an answer")
    norms = [other.snapshot(step).params.double().norm().item() for step in other.steps]
    assert found.arrays["norm"].tolist() == pytest.approx(norms)


def test_phases_label_every_checkpoint(runs):
    run = runs["circuit"]
    found = run.analyze("phases")
    assert found.scalars["judged_by"] == "accuracy, restricted and excluded loss"
    assert found.arrays["steps"].tolist() == run.steps
    assert set(found.arrays["phase"]) <= set(PHASES)
    assert found.arrays["phase"][0] == PHASES[0]


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([None, None, None], [None, None, None]),
        ([10, 20, 30], [10, 20, 30]),
        ([25, 20, None], [20, 20, None]),
        ([None, 40, 30], [None, 30, 30]),
    ],
)
def test_no_phase_begins_after_a_later_one(starts, expected):
    names = ("circuit_formation_at", "cleanup_at", "generalized_at")
    found = ordered(dict(zip(names, starts, strict=True)))
    assert list(found.items()) == list(zip(names, expected, strict=True))


def test_spans_and_names_of_phases():
    scalars = {"circuit_formation_at": 10, "cleanup_at": 10, "generalized_at": 30}
    found = spans(scalars, 50)
    assert found == [
        ("memorization", 0, 10),
        ("clean-up", 10, 30),
        ("generalized", 30, 50),
    ]
    names = [phase_of(step, [0, 10, 10, 30]) for step in (0, 9, 10, 29, 30)]
    assert names == ["memorization", "memorization", "clean-up", "clean-up", "generalized"]
    assert phase_of(99, [0, None, None, None]) == "memorization"


def test_runs_are_compared_by_their_circuits(runs):
    run = runs["circuit"]
    table = circuit_comparison(Runs((run, run)), by="optimizer.weight_decay")
    assert table["optimizer.weight_decay"].to_list() == [1.0, 1.0]
    scalars = run.analyze("fourier_circuit").scalars
    assert table["key_frequencies"].to_list() == [scalars["key_frequencies"]] * 2
    assert table["shared"].to_list() == [scalars["key_count"]] * 2
    with pytest.raises(ConfigError, match=r"^circuit_comparison: by='no\.field' is no field"):
        circuit_comparison(Runs((run,)), by="no.field")
    with pytest.raises(ConfigError, match="expected at least one run, got none"):
        circuit_comparison(Runs(()))
