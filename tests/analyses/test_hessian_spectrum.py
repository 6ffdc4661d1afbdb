import shutil

import numpy as np
import pytest
import torch
from torch.autograd.functional import hessian
from torch.func import functional_call

import grokscope
from grokscope._progress import listening
from grokscope.analyses.hessian_checkpoint import converged
from grokscope.analyses.hessian_spectrum import densities
from grokscope.errors import ConfigError, ScienceError, TooLargeError
from grokscope.ops.spectrum import summarize
from grokscope.plots.spectrum_evolution import spectrum_evolution


@pytest.fixture(scope="module")
def run(runs, tmp_path_factory):
    """Return a copy of a run with five checkpoints: results stored here are seen by no one else."""
    path = tmp_path_factory.mktemp("spectra") / "run"
    shutil.copytree(runs["spectra"].path, path)
    return grokscope.open(path)


def dense(run, step):
    """Return the Hessian of the training loss at a step by reverse mode alone."""
    snapshot = run.snapshot(step)
    problem = snapshot.problem
    network = problem.network.double()
    prepared = network.prepare(problem.train.inputs, share=False)

    def loss(flat):
        logits = functional_call(network, problem.layout.split(flat), (prepared,))
        return torch.nn.functional.cross_entropy(logits, problem.train.targets)

    return hessian(loss, snapshot.params.double())


def test_every_checkpoint_has_the_spectrum_of_its_dense_hessian(run):
    result = run.analyze("hessian_spectrum")
    arrays = result.arrays
    assert arrays["steps"].tolist() == run.steps
    assert len(run.steps) > 3
    assert result.scalars["method"] == "exact"
    for row, step in enumerate(run.steps):
        matrix = dense(run, step)
        expected = torch.linalg.eigvalsh(matrix).numpy()
        np.testing.assert_allclose(arrays["eigenvalues"][row], expected, atol=1e-12)
        np.testing.assert_allclose(arrays["top"][row], expected[::-1][:10], rtol=1e-8)
        np.testing.assert_allclose(arrays["bottom"][row], expected[:10], rtol=1e-8)
        assert arrays["trace"][row] == pytest.approx(float(matrix.trace()))
        summary = summarize(torch.from_numpy(expected.copy()))
        assert arrays["negative"][row] == summary.negative > 0
        assert arrays["entropy"][row] == pytest.approx(summary.entropy)
        np.testing.assert_allclose(arrays["top_shares"][row].sum(1), 1)


def test_the_eigenvectors_are_kept_with_each_checkpoint(run):
    step = run.steps[-1]
    kept = run.analyze("hessian_checkpoint", step=step)
    matrix = dense(run, step).numpy()
    for name in ("top", "bottom"):
        vectors = kept.arrays[f"{name}_vectors"].astype(float)
        found = vectors @ matrix - kept.arrays[name][:, None] * vectors
        assert np.abs(found).max() < 1e-6
        first = run.snapshot(step).problem.layout.sizes[0]
        shares = np.square(vectors[:, :first]).sum(1)
        np.testing.assert_allclose(kept.arrays[f"{name}_shares"][:, 0], shares, atol=1e-5)
    assert kept.arrays["tensors"].tolist() == ["first.weight", "unembed.weight"]


def test_beyond_exact_reach_the_ends_are_the_same_and_the_density_has_the_trace(run):
    exact = run.analyze("hessian_spectrum", steps=[0, 60])
    result = run.analyze("hessian_spectrum", steps=[0, 60], seconds=1e-9, depth=40)
    assert result.scalars["method"] == "lanczos"
    np.testing.assert_allclose(result.arrays["top"], exact.arrays["top"], rtol=1e-10)
    np.testing.assert_allclose(result.arrays["weights"].sum(2), 1, atol=1e-6)
    scale = np.abs(exact.arrays["eigenvalues"]).sum(1)
    assert (np.abs(result.arrays["trace"] - exact.arrays["trace"]) < 0.1 * scale).all()
    grid, rows = densities(result)
    assert np.abs(np.trapezoid(rows, grid, axis=1) - 1).max() < 1e-6
    grid, rows = densities(exact)
    assert np.abs(np.trapezoid(rows, grid, axis=1) - 1).max() < 1e-6


def test_eigenvalues_that_lanczos_had_not_found_are_told_and_drawn_open(run):
    step = run.steps[-1]
    expected = torch.linalg.eigvalsh(dense(run, step)).numpy()
    known = run.analyze("hessian_checkpoint", step=step)
    assert known.scalars["top_converged"] == known.scalars["bottom_converged"] == 10
    result = run.analyze("hessian_spectrum", steps=[step], products=12, ends=6)
    assert 0 < result.scalars["least_top_converged"] < 6
    assert result.scalars["least_bottom_converged"] < 6
    errors = {}
    for name, own in (("top", expected[::-1]), ("bottom", expected)):
        good = converged(result.arrays, name)[0]
        values = result.arrays[name][0]
        assert result.scalars[f"least_{name}_converged"] == good.sum()
        np.testing.assert_allclose(values[good], own[:6][good], rtol=1e-3)
        errors[name] = np.abs(values - own[:6])[~good]
    assert max(error.max() for error in errors.values()) > 1e-3 * np.abs(expected).max()
    for trace in spectrum_evolution(run).data[2:]:
        end, rank = trace.name.split()
        good = converged(result.arrays, end)[0, int(rank) - 1]
        assert trace.marker.symbol[0] == ("circle" if good else "circle-open")


def test_a_spectrum_that_was_interrupted_goes_on_where_it_was(run, monkeypatch):
    module = "grokscope.analyses.hessian_checkpoint"
    from grokscope.ops.banded import eigenvalues

    calls = []

    def counted(matrix):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return eigenvalues(matrix)

    monkeypatch.setattr(f"{module}.eigenvalues", counted)
    with pytest.raises(KeyboardInterrupt):
        run.analyze("hessian_spectrum", ends=3)
    again = run.analyze("hessian_spectrum", ends=3)
    assert len(calls) == len(run.steps) + 1
    assert again.arrays["top"].shape == (len(run.steps), 3)


def test_progress_rises_to_the_end_and_begins_with_the_estimate(run):
    told = []
    with listening(lambda words, share: told.append((words, share))):
        run.analyze("hessian_spectrum", steps=[0, 20], ends=2)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert "an exact spectrum takes about" in told[0][0]


def test_the_whole_objective_and_a_sample_are_other_hessians(run):
    whole = run.analyze("hessian_spectrum", steps=[20])
    part = run.analyze("hessian_spectrum", steps=[20], samples=5)
    assert part.scalars["samples"] == 5
    assert part.arrays["top"][0, 0] != pytest.approx(whole.arrays["top"][0, 0], rel=1e-3)
    again = run.analyze("hessian_spectrum", steps=[20], of="objective")  # it has no penalty
    np.testing.assert_allclose(again.arrays["eigenvalues"], whole.arrays["eigenvalues"], atol=1e-14)


def test_what_cannot_be_done_is_refused_in_words(run, monkeypatch, runs):
    with pytest.raises(ConfigError, match=r"no checkpoint at step 7; the nearest is 0"):
        run.analyze("hessian_spectrum", steps=[7])
    with pytest.raises(ScienceError, match="hessian_spectrum: no checkpoint was saved yet"):
        runs["nothing measured"].analyze("hessian_spectrum")
    monkeypatch.setattr("grokscope.ops.memory.free_memory", lambda: 1000)
    with pytest.raises(TooLargeError, match=r"needs about .* GB"):
        run.analyze("hessian_spectrum", method="exact", steps=[20], ends=4)


def test_the_dendrogram_links_the_largest_eigenvalues_of_each_checkpoint(run):
    from scipy.cluster import hierarchy

    values = run.analyze("hessian_spectrum", steps=run.steps, ends=2).arrays["eigenvalues"]
    arrays = run.analyze("spectral_dendrogram", leaves=12).arrays
    for row, own in enumerate(values):
        kept = np.sort(sorted(own, key=abs)[-12:])
        np.testing.assert_allclose(arrays["leaves"][row], kept)
        tree = hierarchy.linkage(kept[:, None], method="single")
        np.testing.assert_allclose(arrays["linkage"][row], tree, rtol=1e-10)
        np.testing.assert_allclose(arrays["gaps"][row], np.sort(tree[:, 2])[::-1], rtol=1e-10)
        at = arrays["epsilons"][40]
        count = hierarchy.fcluster(tree, at, criterion="distance").max()
        assert arrays["clusters"][row, 40] == count


def test_a_dendrogram_may_link_orders_of_magnitude_and_ends_alone(run):
    arrays = run.analyze("spectral_dendrogram", leaves=8, scale="asinh").arrays
    unit = np.median(np.abs(arrays["leaves"][-1]))
    expected = np.sort(np.diff(np.arcsinh(arrays["leaves"][0] / unit)))[::-1]
    np.testing.assert_allclose(arrays["gaps"][0], expected)


def test_a_dendrogram_is_that_of_the_newest_spectrum_also_by_its_ends_alone(run):
    before = run.analyze("spectral_dendrogram")
    run.analyze("hessian_spectrum", method="lanczos", ends=3, steps=[20], probes=1, depth=5)
    after = run.analyze("spectral_dendrogram")
    assert after.scalars["leaves"] == 6
    assert after.arrays["steps"].tolist() == [20]
    assert before.arrays["steps"].tolist() != [20]
