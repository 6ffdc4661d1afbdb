"""What the pages have in common: one look, figures as data inside, nothing from outside."""

import base64
import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from grokscope.plots import Plot
from grokscope.plots.style import DARK, FONT, LIGHT, MONO, Theme, template
from grokscope.plots.text import inert
from grokscope.reports.packing import compress, pack, script

T = TypeVar("T")
HERE = Path(__file__).parent
COLUMN = 230
"""Width of a column of panels at least, in px."""


@dataclass(frozen=True)
class Library:
    """The program that draws, compressed, and the hash by which a page lets it run."""

    packed: str
    hash: str


@functools.cache
def library() -> Library:
    """Return plotly.js for a page, which inflates it."""
    text = get_plotlyjs()
    return Library(compress(text), _hash(text))


def page(
    name: str,
    *,
    figures: list[dict[str, Any]],
    sections: Iterable[tuple[str, str]],
    **content: Any,
) -> str:
    """Return the HTML of a template with its content, in light and dark; all text is escaped.

    sections: (id, title) of what follows the figures' place in the list of contents; an id of ""
    marks that place.
    """
    program = _text("page.js")
    themes = {"light": LIGHT, "dark": DARK}
    payload = pack([{key: figure[key] for key in _DRAWN} for figure in figures])
    payload["templates"] = {
        name: template(theme).to_plotly_json() for name, theme in themes.items()
    }
    colors = {name: Markup(_colors(theme)) for name, theme in themes.items()}  # noqa: S704 - ours
    style = (
        _environment()
        .from_string(_text("page.css"))
        .render(
            **colors,
            font=Markup(FONT),  # noqa: S704 - a constant of ours
            mono=Markup(MONO),  # noqa: S704 - the same
        )
    )
    text: str = (
        _environment()
        .get_template(name)
        .render(
            policy=_policy(library().hash, _hash(program)),
            style=Markup(style),  # noqa: S704 - a file of ours
            program=Markup(program),  # noqa: S704 - the same
            library=library().packed,
            payload=compress(script(payload)),
            contents=list(_contents(sections, figures)),
            figures=figures,
            **content,
        )
    )
    return text


def drawn(part: Plot[T], subject: T) -> dict[str, Any]:
    """Return a figure as a page holds it."""
    figure = part.function(subject)
    figure.layout.template = None
    content = inert(json.loads(figure.to_json()))
    return {
        "name": part.name,
        "label": part.label,
        "caption": part.caption,
        "height": figure.layout.height or 420,
        "min_width": _least_width(figure),
        "data": content["data"],
        "layout": content["layout"],
        "frames": content.get("frames", []),
    }


def _least_width(figure: Any) -> int:
    """Return the width below which a figure is scrolled: so much for each column of panels."""
    sides = {
        axis.domain[0] for axis in figure.select_xaxes() if axis.domain and not axis.overlaying
    }
    sides |= {scene.domain.x[0] for scene in figure.select_scenes() if scene.domain.x}
    asked = (figure.layout.meta or {}).get("min_width", 0)
    return max(int(asked), COLUMN * len(sides) if len(sides) > 1 else 0)


_DRAWN = ("name", "height", "data", "layout", "frames")


def count(value: Any) -> str:
    """Return a whole number in words, or a dash."""
    return f"{value:,}" if isinstance(value, int) else "–"


def number(value: Any) -> str:
    """Return a number with four places, or a dash."""
    return f"{value:.4f}" if isinstance(value, float) else "–"


def words(key: object) -> str:
    """Return a name in code as words."""
    return str(key).replace("_", " ")


def encoded(text: str) -> bytes:
    """Return a page as bytes; halves of characters, which no file can hold, become `?`."""
    return text.encode(errors="replace")


def _contents(
    sections: Iterable[tuple[str, str]], figures: list[dict[str, Any]]
) -> Iterable[tuple[str, str]]:
    for place, title in sections:
        if place:
            yield place, title
        else:
            yield from ((figure["name"], figure["label"]) for figure in figures)


def _policy(*hashes: str) -> str:
    """Return what a browser is told to refuse: everything but these scripts and what is inside."""
    scripts = " ".join(f"'sha256-{value}'" for value in hashes)
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _colors(theme: Theme) -> str:
    return " ".join(f"--{name}: {value};" for name, value in asdict(theme).items())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return "–" if value is None else str(value)


def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["value"] = _value
    environment.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)
    return environment
