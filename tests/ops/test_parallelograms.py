import itertools

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from grokscope.ops import parallelograms as theory


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def some_pairs(p, count, seed=0):
    every = theory.sums(p)
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(seed))
    return every[order[:count]]


def plain(pairs):
    """Return the parallelograms of some pairs by looking at every two of them."""
    found = set()
    for (i, j), (m, n) in itertools.combinations(sorted(map(tuple, pairs.tolist())), 2):
        if i + j == m + n:
            found.add(frozenset([(i, j), (m, n)]))
    return found


@pytest.mark.parametrize(("p", "count"), [(10, 70), (2, 0), (3, 1), (4, 3)])
def test_the_number_of_permissible_parallelograms(p, count):
    assert len(theory.parallelograms(theory.sums(p))) == count


@pytest.mark.parametrize("count", [0, 9, 30])
def test_parallelograms_are_pairs_of_equal_sums(count):
    pairs = some_pairs(9, count)
    corners = theory.parallelograms(pairs).tolist()
    assert {frozenset([(i, j), (m, n)]) for i, j, m, n in corners} == plain(pairs)
    assert len(corners) == len(plain(pairs))


def test_a_line_has_quality_one_and_a_cloud_none():
    line = torch.arange(10.0).unsqueeze(1) * torch.tensor([[0.3, -2.0]]) + 5
    assert theory.representation_quality(line) == 1.0
    assert theory.representation_quality(1e-9 * line) == 1.0
    assert theory.representation_quality(noise(10, 20)) == 0.0
    bent = torch.arange(10.0).unsqueeze(1).clone()
    bent[9] += 3  # breaks the parallelograms in which 9 stands once: 9 + j = m + n
    kept = [c for c in theory.parallelograms(theory.sums(10)).tolist() if 9 not in c]
    assert theory.representation_quality(bent) == pytest.approx(len(kept) / 70)


@pytest.mark.parametrize("count", [12, 30])
def test_the_quadratic_form_is_the_mean_squared_gap(count):
    table, corners = noise(9, 3), theory.parallelograms(some_pairs(9, count))
    total = 0.0
    for i, j, m, n in corners.tolist():
        total += (table[i] + table[j] - table[m] - table[n]).square().sum().item()
    form = theory.quadratic(9, corners)
    found = torch.trace(table.t() @ form @ table).item()
    assert found == pytest.approx(total / len(corners), rel=1e-12)


@pytest.mark.parametrize("count", [0, 8, 20, 55])
def test_the_nullity_is_that_of_the_constraints(count):
    corners = theory.parallelograms(some_pairs(10, count)).numpy()
    rows = np.zeros((len(corners), 10))
    for row, (i, j, m, n) in enumerate(corners):
        for index, sign in ((i, 1), (j, 1), (m, -1), (n, -1)):
            rows[row, index] += sign
    rank = np.linalg.matrix_rank(rows) if len(rows) else 0
    form = theory.quadratic(10, torch.from_numpy(corners))
    assert theory.nullity(form) == 10 - rank
    assert theory.nullity(form) >= 2


def test_all_pairs_leave_a_line_and_its_rate():
    form = theory.quadratic(10, theory.parallelograms(theory.sums(10)))
    assert theory.nullity(form) == 2
    expected = np.sort(np.linalg.eigvalsh(2 * form.numpy()))[2]
    assert theory.grokking_rate(form) == pytest.approx(expected)
    assert theory.grokking_rate(theory.quadratic(10, theory.parallelograms(some_pairs(10, 8)))) == 0


@pytest.mark.parametrize("count", [15, 55])
def test_the_flow_is_that_of_the_ode(count):
    start, form = noise(10, 2), theory.quadratic(10, theory.parallelograms(some_pairs(10, count)))
    times = np.array([0.0, 1.0, 10.0, 60.0])

    def velocity(_, flat):
        table = torch.from_numpy(flat.reshape(10, 2)).clone().requires_grad_()
        loss = torch.trace(table.t() @ form @ table) / table.square().sum()
        return -torch.autograd.grad(loss, table)[0].numpy().ravel()

    solved = solve_ivp(
        velocity,
        (0, 60),
        start.numpy().ravel(),
        t_eval=times,
        method="DOP853",
        rtol=1e-11,
        atol=1e-12,
    )
    found = theory.representation_flow(start, form, torch.from_numpy(times))
    assert np.abs(found.numpy().reshape(4, 20) - solved.y.T).max() <= 1e-8


def test_the_slowest_direction_dies_at_the_predicted_rate():
    form = theory.quadratic(10, theory.parallelograms(theory.sums(10)))
    slowest = torch.linalg.eigh(form).eigenvectors[:, 2:3]  # the next is only 4 % faster
    start = torch.linspace(-1, 1, 10, dtype=torch.float64).unsqueeze(1) + slowest
    size = start.square().sum().item()
    times = torch.tensor([8.0, 9.0], dtype=torch.float64) * size
    late = theory.representation_flow(start, form, times)
    losses = [torch.trace(x.t() @ form @ x).item() for x in late]
    assert np.log(losses[0] / losses[1]) == pytest.approx(2 * theory.grokking_rate(form), rel=1e-4)


def test_predicted_accuracy_by_hand():
    line = torch.arange(4.0).unsqueeze(1)
    pairs = torch.tensor([[0, 2], [0, 3]])
    # 0+2 = 1+1 and 0+3 = 1+2 close; with the two trained pairs 4 of 10 sums are right.
    assert theory.predicted_accuracy(line, pairs) == pytest.approx(0.4)
    assert theory.predicted_accuracy(noise(4, 5), pairs) == pytest.approx(0.2)
    assert theory.predicted_accuracy(line, theory.sums(4)) == 1.0


def test_the_critical_fraction_of_ten_symbols():
    chances = theory.line_probability(10, [0.1, 0.3, 0.35, 0.45, 0.6, 1.0], trials=100)
    assert chances[0] == 0.0
    assert chances[-1] == 1.0
    assert chances == sorted(chances)
    assert chances[2] < 0.25
    assert chances[3] > 0.65  # the paper sees the transition at 0.4
