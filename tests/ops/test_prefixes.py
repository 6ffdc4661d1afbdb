import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils import _pytree as pytree

from grokscope.ops.prefixes import Prefixes, Rows, select, stack, take, unstack


@st.composite
def sequences(draw):
    n, s = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    size = draw(st.sampled_from([1, 2, 3, 50]))
    row = st.lists(st.integers(0, size - 1), min_size=s, max_size=s)
    return torch.tensor(draw(st.lists(row, min_size=n, max_size=n)), dtype=torch.int64)


def numbers_of(index, count):
    return list(range(count)) if index is None else index.tolist()


def rows_of(level, n):
    """Return the symbol of each prefix and the prefix of each example as plain lists."""
    symbols = level.symbols.tolist()
    ends = [symbols[k] for k in numbers_of(level.symbol, len(symbols))]
    return ends, numbers_of(level.examples, n)


def every_form(tokens):
    yield Prefixes.shared(tokens, causal=True)
    yield Prefixes.shared(tokens, causal=False)
    yield Prefixes.plain(tokens)


@given(sequences())
@settings(max_examples=60, deadline=None)
def test_expanding_a_level_gives_the_token_of_each_example(tokens):
    for prefixes in every_form(tokens):
        assert len(prefixes.levels) == tokens.shape[1]
        for i, level in enumerate(prefixes.levels):
            ends, examples = rows_of(level, len(tokens))
            assert [ends[r] for r in examples] == tokens[:, i].tolist()


@given(sequences())
@settings(max_examples=60, deadline=None)
def test_a_causal_level_has_one_row_for_each_distinct_prefix(tokens):
    for i, level in enumerate(Prefixes.shared(tokens, causal=True).levels):
        ends, examples = rows_of(level, len(tokens))
        prefixes = [tuple(row[: i + 1]) for row in tokens.tolist()]
        assert len(ends) == len(set(prefixes))
        for e, prefix in enumerate(prefixes):
            for other, other_prefix in enumerate(prefixes):
                assert (examples[e] == examples[other]) == (prefix == other_prefix)


@given(sequences())
@settings(max_examples=60, deadline=None)
def test_the_ancestors_of_a_prefix_are_its_beginnings(tokens):
    for prefixes in every_form(tokens):
        examples = [rows_of(level, len(tokens))[1] for level in prefixes.levels]
        for i, level in enumerate(prefixes.levels):
            assert len(level.ancestors) == i
            count = len(rows_of(level, len(tokens))[0])
            for j, index in enumerate(level.ancestors):
                ancestors = numbers_of(index, count)
                for e in range(len(tokens)):
                    assert ancestors[examples[i][e]] == examples[j][e]


@given(sequences())
@settings(max_examples=60, deadline=None)
def test_a_function_of_prefixes_expands_to_the_function_of_each_example(tokens):
    table = torch.randn(50, 3, dtype=torch.float64)
    for prefixes in every_form(tokens):
        for i, level in enumerate(prefixes.levels):
            rows = Rows(table[level.symbols], level.symbol).map(torch.exp)
            expanded = rows.at(level.examples).expand()
            assert torch.equal(expanded, table.exp()[tokens[:, i]])


@given(sequences())
@settings(max_examples=60, deadline=None)
def test_to_plain_forgets_what_was_shared(tokens):
    for prefixes in every_form(tokens):
        plain = prefixes.to_plain()
        assert torch.equal(plain.tokens, tokens)
        for i, level in enumerate(plain.levels):
            assert torch.equal(level.symbols, tokens[:, i])
            assert level.symbol is None
            assert level.examples is None
            assert level.ancestors == (None,) * i


def test_pairs_share_their_first_operand():
    p = 5
    tokens = torch.tensor([[a, b, p] for a in range(p) for b in range(p)])
    first, second, last = Prefixes.shared(tokens, causal=True).levels
    assert len(first.symbols) == p
    assert first.examples is not None
    assert first.examples.tolist() == [a for a in range(p) for _ in range(p)]
    assert second.examples is None
    assert len(second.symbols) == p
    assert last.symbols.tolist() == [p]


def test_without_causality_only_tokens_are_shared():
    tokens = torch.tensor([[1, 0], [1, 0], [1, 2]])
    for level in Prefixes.shared(tokens, causal=False).levels:
        assert level.examples is None
        assert all(ancestor is None for ancestor in level.ancestors)
    assert len(Prefixes.shared(tokens, causal=False).levels[0].symbols) == 1


def test_rows_without_an_index_are_their_values():
    values = torch.randn(3, 2)
    assert torch.equal(Rows(values).expand(), values)
    assert torch.equal(Rows(values).at(None).expand(), values)


def test_rows_can_be_picked_twice():
    values = torch.tensor([10.0, 11.0, 12.0])
    rows = Rows(values, torch.tensor([2, 0, 1, 1]))
    assert rows.expand().tolist() == [12.0, 10.0, 11.0, 11.0]
    assert rows.at(torch.tensor([3, 0])).expand().tolist() == [11.0, 12.0]


def test_a_map_touches_each_distinct_row_once():
    seen = []

    def square(x):
        seen.append(len(x))
        return x * x

    rows = Rows(torch.tensor([2.0, 3.0]), torch.tensor([0, 1, 0, 1, 1])).map(square)
    assert seen == [2]
    assert rows.expand().tolist() == [4.0, 9.0, 4.0, 9.0, 9.0]


def test_select_broadcasts_a_single_row():
    values = torch.randn(1, 4, requires_grad=True)
    index = torch.zeros(6, dtype=torch.int64)
    assert torch.equal(select(values, index), values[index])
    select(values, index).sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[6.0] * 4]


@pytest.mark.parametrize("index", [None, torch.tensor([2, 0, 1])])
@pytest.mark.parametrize("by", [None, torch.tensor([1, 1, 2, 0])])
def test_take_composes_indexes(index, by):
    values = torch.tensor([5.0, 6.0, 7.0])
    inner = values if index is None else values[index]
    outer = inner if by is None else inner[by]
    composed = take(index, by)
    assert torch.equal(values if composed is None else values[composed], outer)


def test_stack_and_unstack_are_inverse():
    rows = [Rows(torch.randn(2, 3), torch.tensor([0, 1, 1])), Rows(torch.randn(3, 3))]
    stacked = stack(rows)
    assert stacked.shape == (3, 2, 3)
    for back, row in zip(unstack(stacked), rows, strict=True):
        assert torch.equal(back.expand(), row.expand())


def test_prefixes_are_a_tree_of_tensors():
    tokens = torch.tensor([[0, 1], [0, 2], [1, 1]])
    prefixes = Prefixes.shared(tokens, causal=True)
    leaves, spec = pytree.tree_flatten(prefixes)
    assert all(isinstance(leaf, torch.Tensor) for leaf in leaves)
    back = pytree.tree_unflatten(leaves, spec)
    assert isinstance(back, Prefixes)
    assert torch.equal(back.tokens, tokens)
    assert back.levels[1].ancestors[0] is not None
