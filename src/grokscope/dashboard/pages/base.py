"""What a page is: a decorated function of a look that yields panels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grokscope._registry import Registry
from grokscope.dashboard.look import Look
from grokscope.dashboard.panels import Panel

Show = Callable[[Look], Iterator[Panel]]


@dataclass(frozen=True)
class Page:
    """A section of the dashboard. empty: what to do where there is nothing to show."""

    name: str
    function: Show
    label: str
    order: int
    empty: str

    @property
    def doc(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


PAGES: Registry[Page] = Registry("page", "grokscope.dashboard.pages")


def page(*, label: str, order: int, empty: str) -> Callable[[Show], Show]:
    """Register a function of a look under its own name; low orders come first."""

    def decorate(function: Show) -> Show:
        name = function.__name__
        PAGES.add(name, Page(name, function, label, order, empty))
        return function

    return decorate
