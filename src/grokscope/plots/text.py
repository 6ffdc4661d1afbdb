"""Text of a run inside a figure: plotly reads tags and templates in it, so both are spelled out."""

import re
from typing import Any

OURS = re.compile(r"<(?!br>|extra>|/extra>)")
"""A tag that no figure of ours writes."""


def plain(text: object) -> str:
    """Return text of a run for a label, a name or a hover: it is drawn as it stands.

    Plotly would make elements of `<b>` or `<a href=…>`, and values of `%{x}`.

    >>> plain("a<b & %{x}")
    'a&lt;b &amp; %&#123;x}'
    """
    spelled = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return spelled.replace("%{", "%&#123;")


def inert(tree: Any) -> Any:
    """Return the JSON of a figure in which no string holds a tag but `<br>` and `<extra>`.

    The second line of defense, for parts of others that do not call `plain`.

    >>> inert({"name": "<a href=x>y</a><br>"})
    {'name': '&lt;a href=x>y&lt;/a><br>'}
    """
    if isinstance(tree, str):
        return OURS.sub("&lt;", tree)
    if isinstance(tree, list):
        return [inert(item) for item in tree]
    if isinstance(tree, dict):
        return {key: inert(item) for key, item in tree.items()}
    return tree
