import threading

import pytest
import torch

from grokscope.ops.lanes import each, lanes


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(count):
    with lanes(count):
        assert each(lambda x: x * x, range(50)) == [x * x for x in range(50)]
        assert each(lambda x: x, []) == []


def test_several_items_are_under_way_at_once():
    meeting = threading.Barrier(3, timeout=20)

    def wait(_):
        return meeting.wait() >= 0

    with lanes(3):
        assert all(each(wait, range(3)))


def test_outside_lanes_everything_runs_here():
    assert set(each(lambda _: threading.get_ident(), range(4))) == {threading.get_ident()}


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_in_any_lane_is_raised(count):
    def fail(x):
        if x == 3:
            raise ValueError("item 3 is bad")
        return x

    with lanes(count), pytest.raises(ValueError, match="item 3 is bad"):
        each(fail, range(6))


def test_every_operation_runs_on_one_thread_and_the_number_is_put_back():
    before = torch.get_num_threads()
    with lanes(4):
        assert set(each(lambda _: torch.get_num_threads(), range(8))) == {1}
    assert torch.get_num_threads() == before


def test_lanes_build_a_graph_where_the_caller_does():
    with lanes(3):
        assert set(each(lambda _: torch.is_grad_enabled(), range(6))) == {True}
        with torch.no_grad():
            assert set(each(lambda _: torch.is_grad_enabled(), range(6))) == {False}


def test_within_an_item_there_are_no_further_lanes():
    def nested(_):
        return len(set(each(lambda _: threading.get_ident(), range(4))))

    with lanes(2):
        assert each(nested, range(4)) == [1] * 4
