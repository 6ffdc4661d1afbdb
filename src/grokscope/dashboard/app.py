"""The dashboard's application: controls by Gradio, figures drawn in the page from plain data."""

import gzip
import json
import os
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

from grokscope.dashboard.content import content
from grokscope.dashboard.controls import blocks
from grokscope.dashboard.early import Early
from grokscope.dashboard.guard import App, Guard
from grokscope.dashboard.library import Library
from grokscope.dashboard.view import View
from grokscope.plots.style import DARK, FONT, LIGHT, Theme, template

COLORS = ("page", "panel", "text", "muted", "grid", "accent")
HEAD = """<script>
window.grokscopeFirst = fetch("/content" + location.search, {{ cache: "no-store" }});
window.grokscopeFirst.catch(() => {{}});
</script>
<script src="/figures/plotly.js" async></script>
<style>{style}</style>
<script>{script} grokscope.begin({start});</script>"""
"""The first section is asked for and drawn before Gradio is loaded."""
SHUT = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""Nothing is told to anybody, and nothing asked from anywhere."""


def build(folder: str | Path, *, hosts: Sequence[str], token: str = "") -> App:
    """Return the ASGI application of a folder of runs. It reads the folder and writes nothing.

    hosts: the `host:port` under which it may be called; token: needed by everyone if not empty.
    """
    os.environ.update(SHUT)
    import gradio  # noqa: PLC0415 - takes two seconds to load
    from fastapi import FastAPI, Request, Response  # noqa: PLC0415

    library = Library(folder)
    _prepare(library)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    def answer(request: Request) -> Response:
        found = content(library, View.read(request.url.query))
        packed = gzip.compress(json.dumps(found, separators=(",", ":")).encode(), 1)
        headers = {"content-encoding": "gzip", "cache-control": "no-store"}
        return Response(packed, media_type="application/json", headers=headers)

    def script() -> Response:
        headers = {"content-encoding": "gzip", "cache-control": "private, max-age=86400"}
        return Response(_plotly(), media_type="text/javascript", headers=headers)

    # The annotations above are local names, so they are handed over as they are.
    answer.__annotations__ = {"request": Request, "return": Response}
    script.__annotations__ = {"return": Response}
    app.get("/content", response_model=None)(answer)
    app.get("/figures/plotly.js", response_model=None)(script)
    style = _style() + _text("page.css")
    gradio.mount_gradio_app(
        app,
        blocks(library),
        path="/",
        theme=_theme(gradio),
        css=style,
        js="() => grokscope.settle()",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        allowed_paths=[],
        show_error=True,
        pwa=False,
        enable_monitoring=False,
        mcp_server=False,
    )
    head = HEAD.format(style=style, script=_text("page.js"), start=_start())
    return Guard(Early(app, head), hosts, token=token)


def _prepare(library: Library) -> None:
    """Load and read before the first page is asked for what would make it, or the next, wait."""
    import_module("scipy.stats")
    import_module("plotly.graph_objects").Figure().add_scatter().to_json()
    _plotly()
    content(library, View())


@cache
def _plotly() -> bytes:
    from plotly.offline import get_plotlyjs  # noqa: PLC0415

    return gzip.compress(get_plotlyjs().encode(), 6)


def _start() -> str:
    """Return what the page knows from the beginning, as JSON in a script: the look of figures."""
    themes = {"light": LIGHT, "dark": DARK}
    looks = {name: template(theme).to_plotly_json() for name, theme in themes.items()}
    return json.dumps({"templates": looks}).replace("</", "<\\/")


def _style() -> str:
    def colors(theme: Theme) -> str:
        return " ".join(f"--gs-{name}: {getattr(theme, name)};" for name in COLORS)

    return f":root {{ {colors(LIGHT)} --gs-font: {FONT}; }}\n.dark {{ {colors(DARK)} }}\n"


def _text(name: str) -> str:
    return files("grokscope.dashboard").joinpath(name).read_text(encoding="utf-8")


def _theme(gradio: Any) -> Any:
    """Return Gradio's plainest theme in our colors, with fonts that every machine has."""
    fonts = [word.strip().strip("'") for word in FONT.split(",")]
    theme = gradio.themes.Base(
        primary_hue="blue",
        neutral_hue="gray",
        font=fonts,
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        radius_size="md",
        spacing_size="sm",
        text_size="md",
    )
    both = {
        "body_background_fill": "page",
        "body_text_color": "text",
        "background_fill_primary": "panel",
        "background_fill_secondary": "page",
        "block_background_fill": "panel",
        "block_border_color": "grid",
        "border_color_primary": "grid",
        "input_background_fill": "page",
        "input_border_color": "grid",
        "block_label_text_color": "muted",
        "block_title_text_color": "muted",
        "body_text_color_subdued": "muted",
    }
    values = {key: getattr(LIGHT, name) for key, name in both.items()}
    values |= {f"{key}_dark": getattr(DARK, name) for key, name in both.items()}
    return theme.set(**values)
