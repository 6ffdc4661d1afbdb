import json
import math

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grokscope.plots import PLOTS
from grokscope.reports.packing import compress, expand, pack, script, unpack

number = st.none() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(number, max_size=40)
    | st.lists(st.integers(-300, 300), min_size=8)
    | st.lists(st.lists(number, min_size=5, max_size=5), max_size=6)
)
def test_every_number_comes_back_as_it_was(values):
    (figure,) = unpack(pack([{"data": [{"y": values}]}]))
    assert figure["data"][0]["y"] == values


def test_text_of_a_figure_comes_back_as_it_was():
    trace = {"text": ["a"] * 20, "x": ["1"] * 20, "z": [[1, 2], [3]] * 9, "on": [True] * 20}
    assert unpack(pack([{"name": "a", "data": [trace]}]))[0]["data"] == [trace]


def test_an_array_that_occurs_often_is_there_once():
    steps = list(range(1000))
    figures = [{"data": [{"x": steps}, {"x": steps}], "frames": [{"data": [{"x": steps}]}]}] * 3
    packed = pack(figures)
    assert [array["dtype"] for array in packed["arrays"]] == ["i2"]
    assert unpack(packed) == figures


def test_numbers_take_no_more_room_than_they_need():
    kinds = {"i1": [1] * 8, "u1": [200] * 8, "i4": [10**6] * 8, "f4": [0.5] * 8, "f8": [0.1] * 8}
    for kind, values in kinds.items():
        assert pack([{"data": [{"y": values}]}])["arrays"][0]["dtype"] == kind


def test_what_plotly_has_packed_itself_is_read():
    import numpy as np

    z = np.arange(12.0).reshape(3, 4)
    z[1, 1] = math.nan
    figure = json.loads(go.Figure(go.Heatmap(z=z)).to_json())
    assert "bdata" in figure["data"][0]["z"]
    rows = unpack(pack([figure]))[0]["data"][0]["z"]
    assert rows == [[0, 1, 2, 3], [4, None, 6, 7], [8, 9, 10, 11]]


def test_compressed_text_comes_back_and_is_the_same_each_time():
    text = "λ" * 1000 + "</script>"
    assert expand(compress(text)) == text
    assert compress(text) == compress(text)
    assert len(compress(text)) < 200
    assert "<" not in script({"a": text})


@pytest.mark.parametrize("condition", ["plain", "circuit", "spectra"])
def test_figures_of_runs_come_back_as_they_were(runs, condition):
    run = runs[condition]
    for part in PLOTS.values():
        if not part.applies(run):
            continue
        figure = json.loads(part.function(run).to_json())
        again = unpack(pack([figure]))[0]
        for before, after in zip(figure["data"], again["data"], strict=True):
            for key, value in before.items():
                if isinstance(value, list):
                    assert after[key] == value
