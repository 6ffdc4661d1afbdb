"""The notebooks run on real results, hold no logic, and their pages open without a network."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ("grokking", "hessian", "least_action")


def tree(name):
    return ast.parse((NOTEBOOKS / f"{name}.py").read_text(encoding="utf-8"))


def outputs(page):
    """Return the outputs of a page, cell by cell, as marimo keeps them in its session."""
    line = re.search(r'^\s*"session": (\{.*\}),$', page.read_text(encoding="utf-8"), re.M)
    cells = json.loads(line[1])["cells"]
    return [output for cell in cells for output in cell["outputs"]]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_cells_alone(name):
    allowed = (ast.Expr, ast.Import, ast.Assign, ast.FunctionDef, ast.If)
    body = tree(name).body
    assert all(isinstance(node, allowed) for node in body)
    cells = [node for node in body if isinstance(node, ast.FunctionDef)]
    assert len(cells) > 5
    for cell in cells:
        assert [ast.unparse(mark).split("(")[0] for mark in cell.decorator_list] == ["app.cell"]
        branches = (
            ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.FunctionDef, ast.If, ast.IfExp,
            ast.Lambda, ast.Try, ast.While, ast.With,
        )  # fmt: skip
        inside = [node for node in ast.walk(cell) if node is not cell]
        assert not [ast.unparse(node) for node in inside if isinstance(node, branches)]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_imports_marimo_and_grokscope(name):
    found = {
        module.split(".")[0]
        for node in ast.walk(tree(name))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for module in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
        )
    }
    assert found == {"marimo", "grokscope"}


def test_all_notebooks_are_exported(script):
    pytest.importorskip("marimo", reason="marimo is not installed")
    found = {path.stem for path in NOTEBOOKS.glob("*.py")} - {"export", "look", "offline"}
    assert found == set(NAMES) == set(script("export").NAMES)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "plots"), [("grokking", 6), ("hessian", 8), ("least_action", 6)])
def test_a_notebook_runs_without_an_error(pages, name, plots):
    found = outputs(pages[name])
    assert not [output for output in found if output["type"] == "error"]
    told = [output["data"].get("text/plain", "") for output in found]
    assert not any(told)  # Nothing is left bare: a cell shows a page or nothing.
    text = json.dumps([output.get("data") for output in found])
    assert text.count("<marimo-plotly") == plots
    assert "None" not in re.sub(r"<marimo-plotly.*?</marimo-plotly>", "", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_no_address_that_a_browser_would_ask(pages, name):
    text = pages[name].read_text(encoding="utf-8")
    assert not re.findall(r"""<(?:script|link|img)\b[^>]*(?:src|href)=(?!["']?data:)[^>]*>""", text)
    assert not re.findall(r"url\((?![\"']?(?:data:|#))[^)]*\)", text)


@pytest.fixture
def browser(script):
    look = script("look")
    if importlib.util.find_spec("playwright") is None:
        pytest.skip("playwright is not installed, so no browser can be driven")
    if look.browser_path() is None:
        pytest.skip("there is no Chromium on the PATH to open the pages in")
    return look


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_without_a_network(pages, browser, name, width):
    with browser.opened(pages[name], width=width) as (_, seen):
        assert seen.sound, seen


@pytest.mark.slow
def test_the_slider_of_the_dendrogram_moves_without_a_kernel(pages, browser):
    with browser.opened(pages["hessian"]) as (page, seen):
        plot = page.locator(".js-plotly-plot", has=page.locator(".slider-rail-touch-rect"))
        line = plot.locator(".scatterlayer path.js-line").first
        last = line.get_attribute("d")
        label = plot.locator(".slider-label").first.text_content()
        plot.locator(".slider-rail-touch-rect").click(position={"x": 3, "y": 3}, force=True)
        page.wait_for_timeout(1500)
        assert line.get_attribute("d") != last
        assert plot.locator(".slider-label").first.text_content() != label
        assert seen.sound, seen
