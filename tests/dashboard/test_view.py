"""A link restores the view it was made of, and a strange one does no harm."""

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from grokscope.dashboard.view import AXES, SCALES, View

TEXT = st.text(max_size=40)
VIEWS = st.builds(
    View,
    section=TEXT,
    runs=st.lists(TEXT.filter(bool), max_size=4).map(tuple),
    where=TEXT,
    color=TEXT,
    facet=TEXT,
    x=st.sampled_from(list(AXES)),
    x_scale=st.sampled_from(SCALES[1:]),
    y_scale=st.sampled_from(SCALES),
    smooth=st.floats(0, 0.99),
    detail=TEXT,
)


@given(VIEWS)
def test_a_view_is_read_back_from_its_query(view):
    assert View.read(view.query) == view


@given(TEXT)
def test_any_query_is_a_view(query):
    view = View.read(query)
    assert view.x in AXES
    assert 0 <= view.smooth <= 0.99
    assert {field.name for field in fields(view)} == set(vars(view))


def test_only_what_differs_is_in_the_link():
    assert View().query == ""
    assert View(runs=("a b", "c"), smooth=0.5).query == "runs=a+b&runs=c&smooth=0.5"
