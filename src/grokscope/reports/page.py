"""What the pages have in common: one look, figures as data inside, nothing from outside."""

import functools
import json
from pathlib import Path
from typing import Any, TypeVar

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from grokscope.plots import Plot
from grokscope.plots.style import DARK, FONT, LIGHT, template

T = TypeVar("T")


def page(name: str, **content: Any) -> str:
    """Return the HTML of a template with its content, in light and dark; all text is escaped."""
    themes = {"light": LIGHT, "dark": DARK}
    templates = {name: template(theme).to_plotly_json() for name, theme in themes.items()}
    text: str = (
        _environment()
        .get_template(name)
        .render(
            themes=themes,
            templates=_script(templates),
            font=Markup(FONT),  # noqa: S704 - a constant of ours
            plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library itself
            **content,
        )
    )
    return text


def drawn(part: Plot[T], subject: T) -> dict[str, Any]:
    """Return a figure as a page holds it."""
    figure = part.function(subject)
    figure.layout.template = None
    return {
        "name": part.name,
        "label": part.label,
        "caption": part.caption,
        "height": figure.layout.height,
        "min_width": (figure.layout.meta or {}).get("min_width", 0),
        "json": _script(json.loads(figure.to_json())),
    }


def count(value: Any) -> str:
    """Return a whole number in words, or a dash."""
    return f"{value:,}" if isinstance(value, int) else "–"


def number(value: Any) -> str:
    """Return a number with four places, or a dash."""
    return f"{value:.4f}" if isinstance(value, float) else "–"


def _script(value: Any) -> Markup:
    """Return JSON that may stand inside a script element: no `<` survives."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - escaped above


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return "–" if value is None else str(value)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["value"] = _value
    return environment
