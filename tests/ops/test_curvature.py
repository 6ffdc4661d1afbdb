import pytest
import torch

from grokscope.errors import ScienceError, TooLargeError
from grokscope.ops import curvature
from grokscope.ops.curvature import (
    assemble,
    hessian_product,
    hutchinson,
    retained_product,
    signs,
    symmetric,
)
from grokscope.ops.fisher import fisher_quadratics, gauss_newton_product, softmax_fisher


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def least_squares(n=30, d=7):
    x, y = normal(n, d), normal(n, seed=1)
    return (lambda w: (x @ w - y).square().mean() / 2), x.t() @ x / n


def softmax_regression(n=20, d=5, c=4):
    """Return logits, losses and loss of W [c, d] flat, and the closed form of its Hessian."""
    x = normal(n, d)
    y = torch.randint(c, (n,), generator=generator(2))
    w = normal(c * d, seed=3)

    def logits(flat):
        return x @ flat.view(c, d).t()

    def losses(z):
        return torch.logsumexp(z, 1) - z[torch.arange(n), y]

    expected = torch.zeros(c * d, c * d, dtype=torch.float64)
    for row in x:
        p = torch.softmax(w.view(c, d) @ row, 0)
        expected += torch.kron(torch.diag(p) - torch.outer(p, p), torch.outer(row, row)) / n
    return logits, losses, w, expected, (x, y)


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
@pytest.mark.parametrize("product", [hessian_product, retained_product])
def test_least_squares_has_the_hessian_of_its_inputs(product, chunk):
    loss, expected = least_squares()
    apply = product(loss, normal(7, seed=4))
    if product is hessian_product:
        torch.testing.assert_close(assemble(apply, 7, chunk=chunk), expected, rtol=0, atol=1e-13)
    columns = torch.stack([apply(v) for v in torch.eye(7, dtype=torch.float64)])
    torch.testing.assert_close(columns, expected, rtol=0, atol=1e-13)


def test_softmax_regression_has_its_closed_form():
    logits, losses, w, expected, _ = softmax_regression()
    apply = hessian_product(lambda flat: losses(logits(flat)).mean(), w)
    torch.testing.assert_close(assemble(apply, len(w), chunk=6), expected, rtol=0, atol=1e-13)


def test_a_curved_function_agrees_with_finite_differences_of_its_gradient():
    a = normal(6, 6)

    def function(x):
        return torch.tanh(a @ x).square().sum() + x.prod()

    at, h = normal(6, seed=5), 1e-5
    found = assemble(hessian_product(function, at), 6, chunk=4)
    for i in range(6):
        sides = []
        for sign in (1, -1):
            x = at.clone()
            x[i] += sign * h
            x.requires_grad_()
            sides.append(torch.autograd.grad(function(x), x)[0])
        torch.testing.assert_close(found[i], (sides[0] - sides[1]) / (2 * h), rtol=0, atol=1e-7)


def test_both_products_are_the_same_map():
    logits, losses, w, _, _ = softmax_regression()

    def loss(flat):
        return losses(torch.tanh(logits(flat))).mean()

    for v in normal(3, len(w), seed=6):
        there = retained_product(loss, w)(v)
        torch.testing.assert_close(hessian_product(loss, w)(v), there, rtol=1e-12, atol=1e-14)


def test_every_chunk_is_told():
    loss, _ = least_squares()
    told = []
    assemble(hessian_product(loss, normal(7)), 7, chunk=3, watch=lambda *x: told.append(x))
    assert told == [(3, 7), (6, 7), (7, 7)]


def test_a_matrix_that_is_not_symmetric_is_refused():
    matrix = normal(5, 5)
    with pytest.raises(ScienceError, match=r"Hessian: \|H - Hᵀ\| reaches .* not twice different"):
        symmetric(matrix)
    whole = matrix + matrix.t()
    whole[3, 1] += 0.5e-6 * whole.abs().max()
    mean = (whole + whole.t()) / 2
    assert torch.equal(symmetric(whole.clone()), mean)


def test_symmetry_is_checked_in_every_block():
    matrix = torch.zeros(1100, 1100, dtype=torch.float64)
    matrix[1090, 5] = matrix[5, 1090] = 1.0
    assert torch.equal(symmetric(matrix.clone()), matrix)
    matrix[1090, 5] = 1.1
    with pytest.raises(ScienceError, match=r"reaches 1\.0e-01 where"):
        symmetric(matrix)


def test_a_matrix_beyond_memory_is_refused_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr("grokscope.ops.memory.free_memory", lambda: 10**9)

    def never(v):
        raise AssertionError

    with pytest.raises(TooLargeError, match=r"exact Hessian of 45,000 parameters: needs about 40"):
        assemble(never, 45_000, chunk=1)


def test_the_trace_by_all_sign_vectors_is_the_trace():
    matrix = normal(4, 4)
    matrix = matrix + matrix.t()
    every = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0], dtype=torch.float64)] * 4)
    found = hutchinson(lambda v: matrix @ v, every)
    torch.testing.assert_close(found.mean(), matrix.trace())
    spread = 2 * (matrix.square().sum() - matrix.diagonal().square().sum())
    assert spread > 0.1
    torch.testing.assert_close(found.var(correction=0), spread)


def test_the_trace_by_fixed_signs_is_within_its_own_error():
    matrix = normal(60, 60, seed=7)
    matrix = matrix @ matrix.t() / 60
    probes = signs(60, 400, "a test")
    found = hutchinson(lambda v: matrix @ v, probes)
    off = matrix - torch.diag(matrix.diagonal())
    deviation = (2 * off.square().sum() / 400).sqrt()
    assert abs(found.mean() - matrix.trace()) < 3 * deviation


def test_signs_are_fixed_fair_and_their_own_by_name():
    found = signs(1000, 8, "a name")
    assert torch.equal(found, signs(1000, 8, "a name"))
    assert found.abs().eq(1).all()
    assert abs(found.mean()) < 0.05
    assert not torch.equal(found, signs(1000, 8, "another"))
    assert (found @ found.t() / 1000 - torch.eye(8)).abs().max() < 0.15


def test_gauss_newton_is_the_true_fisher_matrix_under_cross_entropy():
    """The Fisher matrix by its definition: over every label, with its probability."""
    _, losses, w, _, (x, _) = softmax_regression(n=6)
    n, c = len(x), 4

    def logits(flat):
        return torch.tanh(x @ flat.view(c, 5).t()) * 2

    fisher = torch.zeros(len(w), len(w), dtype=torch.float64)
    for i in range(n):
        for label in range(c):
            at = w.clone().requires_grad_()
            log_p = torch.log_softmax(logits(at)[i], 0)[label]
            g = torch.autograd.grad(log_p, at)[0]
            fisher += log_p.detach().exp() * torch.outer(g, g) / n
    apply = gauss_newton_product(logits, losses, w)
    found = torch.stack([apply(v) for v in torch.eye(len(w), dtype=torch.float64)])
    torch.testing.assert_close(found, fisher, rtol=0, atol=1e-13)
    hessian = assemble(hessian_product(lambda f: losses(logits(f)).mean(), w), len(w), chunk=8)
    assert (hessian - fisher).abs().max() > 0.01
    jacobian = torch.autograd.functional.jacobian(logits, w)
    blocks = softmax_fisher(logits(w))
    direct = sum(j.t() @ b @ j for j, b in zip(jacobian, blocks, strict=True)) / n
    torch.testing.assert_close(found, direct, rtol=0, atol=1e-13)


def test_one_forward_derivative_gives_both_fisher_quadratics():
    logits, losses, w, _, (x, _) = softmax_regression()
    v = normal(len(w), seed=8)
    true, empirical = fisher_quadratics(logits, losses, w, v)
    torch.testing.assert_close(true, v @ gauss_newton_product(logits, losses, w)(v))
    expected = 0.0
    for i in range(len(x)):
        at = w.clone().requires_grad_()
        g = torch.autograd.grad(losses(logits(at))[i], at)[0]
        expected += (g @ v) ** 2 / len(x)
    torch.testing.assert_close(empirical, expected)
    assert abs(true - empirical) > 0.01 * true


def test_the_room_for_a_matrix_is_more_than_the_matrix():
    assert curvature.matrix_bytes(1000) > 8e6
