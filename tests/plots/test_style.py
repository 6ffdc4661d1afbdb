import itertools

import numpy as np
import pytest

from grokscope.plots.style import DARK, LIGHT, SERIES
from grokscope.plots.text import inert, plain

# Linear RGB as seen without one kind of cone (Machado, Oliveira and Fernandes, 2009, severity 1).
SEEN = {
    "by most": np.eye(3),
    "without long": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "without middle": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "without short": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def linear(color):
    c = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    return OKLAB @ np.cbrt(CONES @ np.clip(rgb, 0, 1))


def contrast(one, other):
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted(float(linear(color) @ weights) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("people", "least"), list(zip(SEEN, (0.075, 0.075, 0.075, 0.05), strict=True))
)
def test_colors_of_series_are_apart_for_everybody(people, least):
    places = [oklab(SEEN[people] @ linear(color)) for color in SERIES]
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(places, 2)]
    assert min(apart) >= least


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_colors_stand_out_from_the_ground(theme):
    for ground in (theme.page, theme.panel):
        assert min(contrast(color, ground) for color in SERIES) >= 3
        assert min(contrast(c, ground) for c in (theme.text, theme.muted, theme.accent)) >= 4.5


def test_text_of_a_run_is_no_markup_in_a_figure():
    assert plain("<b>1</b> & %{x}") == "&lt;b&gt;1&lt;/b&gt; &amp; %&#123;x}"
    assert inert([{"a": "<b>x</b><br><extra></extra>", "n": 1}]) == [
        {"a": "&lt;b>x&lt;/b><br><extra></extra>", "n": 1}
    ]
