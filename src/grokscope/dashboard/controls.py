"""The controls beside the figures. Each change is told to the page, which asks for a new look."""

from typing import Any

from grokscope.dashboard.content import sections
from grokscope.dashboard.library import Library
from grokscope.dashboard.view import AXES, View, choices

BY = [("group or run", ""), ("run", "run"), ("group", "group")]
SECONDS = 5


def blocks(library: Library) -> Any:
    """Return the controls and an empty place for figures."""
    import gradio as gr  # noqa: PLC0415 - takes two seconds to load

    with gr.Blocks(title="grokscope", analytics_enabled=False, fill_width=True) as page:
        with gr.Sidebar(width=300):
            gr.HTML('<div id="gs-brand">grokscope</div>', padding=False)
            runs = gr.Dropdown([], label="Runs", info="None chosen: all.", multiselect=True)
            where = gr.Textbox(label="Where", placeholder="weight_decay=1 seed=0", max_lines=1)
            color = gr.Dropdown([], label="Color by")
            facet = gr.Dropdown([], label="Facet by")
            detail = gr.Dropdown([], label="Run in detail", info="Whose analyses are drawn.")
            x = gr.Radio([(words, key) for key, words in AXES.items()], label="Over", value="step")
            x_scale = gr.Radio(["log", "linear"], label="Horizontal scale", value="log")
            y_scale = gr.Radio(
                [("as declared", "declared"), "linear", "log"],
                label="Vertical scale",
                value="declared",
            )
            smooth = gr.Slider(0, 0.99, value=0, step=0.01, label="Smoothing")
            follow = gr.Checkbox(value=True, label="Follow runs that train")
            scheme = gr.Radio(["system", "light", "dark"], label="Look", value="system")
        section = gr.Radio(
            [(label, name) for name, label in sections()],
            show_label=False,
            container=False,
            elem_id="gs-sections",
            value="training_curves",
        )
        gr.HTML('<div id="gs-content" aria-live="polite"></div>', padding=False)

        controls: list[Any] = [
            section,
            runs,
            where,
            color,
            facet,
            x,
            x_scale,
            y_scale,
            smooth,
            detail,
        ]
        told = "(...values) => grokscope.show(values)"
        for control in controls:
            event = control.submit if control is where else control.input
            event(fn=None, inputs=controls, js=told)
        where.blur(fn=None, inputs=controls, js=told)
        follow.change(fn=None, inputs=[follow], js="value => grokscope.follow(value)")
        scheme.change(fn=None, inputs=[scheme], js="value => grokscope.dress(value)")

        def restored(request: gr.Request) -> list[Any]:
            return _restored(gr, library, View.read(str(request.url.query)))

        page.load(
            restored, outputs=controls, show_progress="hidden", api_visibility="private"
        ).then(fn=None, inputs=controls, js="(...values) => grokscope.restored(values)")
        gr.Timer(SECONDS).tick(
            lambda *chosen: _renewed(gr, library, chosen),
            inputs=[runs, color, facet, detail],
            outputs=[runs, color, facet, detail],
            show_progress="hidden",
            api_visibility="private",
        )
    return page


def _restored(gr: Any, library: Library, view: View) -> list[Any]:
    """Return the controls as a link says."""
    names, paths = _known(library)
    section = view.section if view.section in dict(sections()) else "training_curves"
    return [
        section,
        gr.update(choices=names, value=[name for name in view.runs if name in names]),
        view.where,
        gr.update(choices=[*BY, *paths], value=_among(view.color, ["", "run", "group", *paths])),
        gr.update(choices=[("nothing", ""), *paths], value=_among(view.facet, ["", *paths])),
        view.x,
        view.x_scale,
        view.y_scale,
        view.smooth,
        gr.update(
            choices=[("the one most analyzed", ""), *names], value=_among(view.detail, names)
        ),
    ]


def _renewed(gr: Any, library: Library, chosen: tuple[Any, ...]) -> list[Any]:
    """Return what may be chosen now; what was chosen stays so."""
    runs, color, facet, detail = chosen
    names, paths = _known(library)
    return [
        gr.update(choices=names, value=[name for name in runs or [] if name in names]),
        gr.update(choices=[*BY, *paths], value=_among(color, ["", "run", "group", *paths])),
        gr.update(choices=[("nothing", ""), *paths], value=_among(facet, ["", *paths])),
        gr.update(choices=[("the one most analyzed", ""), *names], value=_among(detail, names)),
    ]


def _known(library: Library) -> tuple[list[str], list[str]]:
    shelf = library.look()
    return [e.name for e in shelf.entries], choices([entry.member for entry in shelf.entries])


def _among(value: str, known: list[str]) -> str:
    return value if value in known else ""
