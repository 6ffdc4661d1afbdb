"""The report of a run: outcome, curves, configuration and provenance in one file."""

import functools
import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from grokscope.config import to_yaml
from grokscope.plots import PLOTS, Plot
from grokscope.plots.style import DARK, FONT, LIGHT, template
from grokscope.store import Run
from grokscope.store.durable import write_file
from grokscope.store.results import Result

SENTENCES = {
    "grokked": "It generalized.",
    "memorized": "It memorized its training set and has not generalized.",
    "unfinished": "It has not memorized its training set.",
    "diverged": "Its loss stopped being a finite number.",
    "running": "It has not ended yet.",
}


def write_report(run: Run, path: Path | None = None) -> Path:
    """Write the report of a run, by default `report.html` in its directory; return where.

    The file needs no network. Text from the run is escaped, so markup in a name is shown as text.
    """
    target = path or run.path / "report.html"
    write_file(target, render(run).encode())
    return target


def render(run: Run) -> str:
    """Return the HTML of a report."""
    plots = sorted(PLOTS.values(), key=lambda part: part.order)
    shown = [part for part in plots if part.applies(run)] if len(run.history) else []
    figures = [_figure(part, run) for part in shown]
    results = run.results()
    page: str = _template().render(
        run=run,
        status=run.status,
        sentence=_sentence(run),
        tiles=_tiles(run),
        figures=figures,
        crossings=_crossings(results["grokking_time"]) if "grokking_time" in results else [],
        results=results,
        config=to_yaml(run.config),
        provenance=run.provenance,
        themes={"light": LIGHT, "dark": DARK},
        templates=_script(
            {name: template(t).to_plotly_json() for name, t in (("light", LIGHT), ("dark", DARK))}
        ),
        font=Markup(FONT),  # noqa: S704 - a constant of ours
        plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library itself
    )
    return page


def _sentence(run: Run) -> str:
    memorized, grokked = run.status.get("memorized_at"), run.status.get("grokked_at")
    if run.outcome == "grokked" and memorized is not None and grokked is not None:
        later = "at once" if grokked <= memorized else f"{grokked - memorized:,} steps later"
        return f"It memorized its training set by step {memorized:,} and generalized {later}."
    return SENTENCES[run.outcome]


def _figure(part: Plot, run: Run) -> dict[str, Any]:
    figure = part.function(run)
    figure.layout.template = None
    return {
        "name": part.name,
        "label": part.label,
        "caption": part.caption,
        "height": figure.layout.height,
        "json": _script(json.loads(figure.to_json())),
    }


def _script(value: Any) -> Markup:
    """Return JSON that may stand inside a script element: no `<` survives."""
    text = json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704 - escaped above


def _tiles(run: Run) -> list[tuple[str, str]]:
    status = run.status
    last = status.get("last") or {}
    seconds = status.get("seconds")
    return [
        ("Outcome", run.outcome),
        ("Memorized at", _count(status.get("memorized_at"))),
        ("Grokked at", _count(status.get("grokked_at"))),
        ("Steps", _count(status.get("step"))),
        ("Test accuracy", _number(last.get("test_acc"))),
        ("Lookup baseline", _number(last.get("lookup_baseline"))),
        ("Training time", "–" if seconds is None else f"{seconds:,.1f} s"),
    ]


def _crossings(result: Result) -> list[list[str]]:
    """Return the crossings as rows of cells: kind, then `step (delay)` for each level."""
    rows = []
    for kind in ("first", "sustained", "strict"):
        cells = [kind]
        for level in result.arrays["levels"]:
            step = result.scalars[f"{kind}_{level:.2f}_step"]
            delay = result.scalars[f"{kind}_{level:.2f}_delay"]
            after = "" if delay is None else f" (+{delay:,})"
            cells.append("not seen" if step is None else f"{step:,}{after}")
        rows.append(cells)
    return rows


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "–"


@functools.cache
def _template() -> jinja2.Template:
    source = Path(__file__).with_name("run.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["value"] = _value
    return environment.from_string(source)


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return "–" if value is None else str(value)
