import dataclasses
import math
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from grokscope.config import RunConfig, decode, encode, to_yaml
from grokscope.config.document import Document
from grokscope.config.schema import NameOf, OneOf
from grokscope.errors import ConfigError

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Return the values that a field of this annotation may have."""
    marks: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        marks = tuple(rest)
    for mark in marks:
        if isinstance(mark, NameOf):
            return st.sampled_from(sorted(mark.registry))
        if isinstance(mark, OneOf):
            return st.sampled_from(sorted(mark.registry)).flatmap(
                lambda name, mark=mark: part_of(mark.registry[name])
            )
    origin = get_origin(annotation)
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is tuple:
        items = get_args(annotation)
        if items[-1] is Ellipsis:
            return st.lists(values_of(items[0]), max_size=3).map(tuple)
        return st.tuples(*map(values_of, items))
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, get_args(annotation)))
    if dataclasses.is_dataclass(annotation):
        return part_of(annotation)
    if annotation is int:
        return integers_within(marks)
    if annotation is float:
        return floats_within(marks)
    plain = {bool: st.booleans(), str: words, type(None): st.none()}
    return plain[annotation]


def integers_within(marks):
    low = max([m.ge for m in marks if isinstance(m, Ge)], default=None)
    low = max([m.gt + 1 for m in marks if isinstance(m, Gt)], default=low)
    high = min([m.le for m in marks if isinstance(m, Le)], default=None)
    high = min([m.lt - 1 for m in marks if isinstance(m, Lt)], default=high)
    small = st.integers(low, None if low is None else min(low + 12, high or math.inf))
    return st.one_of(small, st.integers(low, high))


def floats_within(marks):
    low = [(m.ge, False) for m in marks if isinstance(m, Ge)]
    low += [(m.gt, True) for m in marks if isinstance(m, Gt)]
    high = [(m.le, False) for m in marks if isinstance(m, Le)]
    high += [(m.lt, True) for m in marks if isinstance(m, Lt)]
    bounds = {"allow_nan": False, "allow_infinity": False}
    if low:
        bounds |= {"min_value": float(low[0][0]), "exclude_min": low[0][1]}
    if high:
        bounds |= {"max_value": float(high[0][0]), "exclude_max": high[0][1]}
    return st.floats(**bounds)


@st.composite
def part_of(draw, cls):
    hints = get_type_hints(cls, include_extras=True)
    fields = {f.name: draw(values_of(hints[f.name])) for f in dataclasses.fields(cls)}
    try:
        return cls(**fields)
    except ConfigError:
        assume(False)  # a combination without a meaning, which says so


@given(part_of(RunConfig))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_configuration_survives_yaml(config):
    text = to_yaml(config)
    assert decode(Document("text", text).mapping()) == config
    assert decode(encode(config)) == config


@given(part_of(RunConfig))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_equal_configurations_are_spelled_alike(config):
    assert to_yaml(decode(encode(config))) == to_yaml(config)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.dates(),
    st.sampled_from(["modular", "mlp", "adamw", "add", "l2", "kind", "1e-3", "\n", "\u2028"]),
)
names = st.one_of(
    st.sampled_from([field.name for field in dataclasses.fields(RunConfig)]),
    st.sampled_from(["kind", "p", "lr", "betas", "init", "width", "size", "early", "weight"]),
    st.text(max_size=6),
)
keys = st.one_of(names, names, names, st.integers(), st.none(), st.tuples(st.integers()))
junk = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=5),
        st.sets(st.integers(), max_size=2),
    ),
    max_leaves=25,
)


@given(st.dictionaries(keys, junk, max_size=8))
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_junk_is_refused_in_words_and_never_with_a_traceback(tree):
    with pytest.raises(ConfigError, match=r".") as error:
        decode(tree)
    assert all(line.strip() for line in str(error.value).splitlines())


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_value_or_is_refused_in_words(text):
    try:
        Document("text", text).value()
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - most texts are values
        assert str(error).startswith("text")  # noqa: PT017
