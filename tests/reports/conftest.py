import json
from html.parser import HTMLParser

import pytest

from grokscope.reports.packing import expand, unpack

VOID = {"meta", "link", "br", "img", "input", "hr"}
OURS = {
    *("html", "head", "meta", "title", "link", "style", "body", "div", "aside", "button", "nav"),
    *("details", "summary", "ol", "li", "a", "main", "header", "h1", "h2", "p", "section", "span"),
    *("b", "noscript", "figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "pre"),
    *("footer", "code", "script"),
}


class Page(HTMLParser):
    """The elements, attributes and text of a page; unbalanced elements are an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.attributes, self.words, self.scripts = [], [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    @property
    def program(self):
        return self.scripts[2]

    @property
    def payload(self):
        return json.loads(expand(self.scripts[1]))

    @property
    def strange(self):
        """Elements that no template of ours writes, and attributes that run something."""
        handlers = [name for name, _ in self.attributes if name.startswith("on")]
        return sorted(set(self.names) - OURS) + handlers

    @property
    def strings(self):
        """Every string of the figures."""
        return list(_strings(self.payload["figures"]))

    @property
    def figures(self):
        return {figure["name"]: figure for figure in unpack(self.payload)}


@pytest.fixture(scope="session")
def read():
    """Return a function that reads a page."""
    return Page


def _strings(tree):
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from _strings(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _strings(item)
